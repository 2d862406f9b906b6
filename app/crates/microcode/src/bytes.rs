//! Going over long runs of bytes without SSE.

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

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

/// The sum modulo 2^32 of the little-endian dwords; up to three odd bytes at
/// the end are left out.
///
/// Nearly all the time of a scan goes here. Blocks of a fixed size let the
/// compiler unroll: one addition from memory a dword without SSE, in the
/// guest, and four dwords at once with it. Larger blocks than these it leaves
/// as loops.
pub(crate) fn sum_of_dwords(bytes: &[u8]) -> u32 {
    let whole = &bytes[..bytes.len() & !3];
    let dwords = <[U32]>::ref_from_bytes(whole).unwrap_or_default();
    let (blocks, rest) = dwords.as_chunks::<48>();
    let add = |so_far: u32, dword: &U32| so_far.wrapping_add(dword.get());
    let blocks = blocks
        .iter()
        .fold(0, |so_far, block| block.iter().fold(so_far, add));
    rest.iter().fold(blocks, add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

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

    #[test]
    fn sums_wrap_and_leave_odd_bytes_out() {
        assert_eq!(sum_of_dwords(&[]), 0);
        assert_eq!(sum_of_dwords(&[1, 0, 0]), 0);
        let bytes: Vec<u8> = vec![0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 9];
        assert_eq!(sum_of_dwords(&bytes), 1);
    }

    #[test]
    fn blocks_and_their_rest_are_all_summed() {
        for length in (0..600).step_by(4) {
            let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
            let dwords = bytes.chunks_exact(4).map(|dword| {
                let dword: [u8; 4] = dword.try_into().expect("four bytes");
                u32::from_le_bytes(dword)
            });
            let expected = dwords.fold(0, u32::wrapping_add);
            assert_eq!(sum_of_dwords(&bytes), expected, "{length}");
        }
    }
}
