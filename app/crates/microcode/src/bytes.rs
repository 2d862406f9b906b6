//! Looking at long runs of bytes without SSE.

/// The words of a long run: a zero costs two instructions for eight bytes.
const WORD: usize = size_of::<u64>();

/// How many zero bytes `bytes` begin with.
pub(crate) fn leading_zeros(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<WORD>();
    let nr_words = words
        .iter()
        .take_while(|&&word| u64::from_ne_bytes(word) == 0)
        .count();
    let tail = if nr_words == words.len() {
        rest
    } else {
        &words[nr_words]
    };
    let nr_bytes = tail.iter().take_while(|&&byte| byte == 0).count();
    nr_words * WORD + nr_bytes
}

/// Whether there are only zeros.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    leading_zeros(bytes) == bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_is_not_zero_is_found_wherever_it_is() {
        for length in 0..40 {
            let mut bytes = [0; 40];
            assert_eq!(leading_zeros(&bytes[..length]), length);
            assert!(is_zero(&bytes[..length]));
            for at in 0..length {
                bytes.fill(0);
                bytes[at] = 1;
                assert_eq!(leading_zeros(&bytes[..length]), at);
                assert!(!is_zero(&bytes[..length]));
            }
        }
    }
}
