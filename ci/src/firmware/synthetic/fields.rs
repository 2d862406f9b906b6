//! Fields of a synthetic update that are made of parts, `A:B`.

use std::str::FromStr;

use serde::Deserialize;

use crate::number::hexadecimal;

/// `SIGNATURE[:FLAGS]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Extended {
    pub(super) signature: u32,
    pub(super) flags: Option<u32>,
}

/// `TYPE:DWORD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Block {
    pub(super) block_type: u32,
    pub(super) dword: u32,
}

impl FromStr for Extended {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (signature, flags) = match text.split_once(':') {
            Some((signature, flags)) => (signature, Some(hexadecimal(flags)?)),
            None => (text, None),
        };
        Ok(Self {
            signature: hexadecimal(signature)?,
            flags,
        })
    }
}

impl FromStr for Block {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (block_type, dword) = text
            .split_once(':')
            .ok_or("give a type and a dword, such as 3:0x10")?;
        Ok(Self {
            block_type: hexadecimal(block_type)?,
            dword: hexadecimal(dword)?,
        })
    }
}

impl TryFrom<String> for Extended {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for Block {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
