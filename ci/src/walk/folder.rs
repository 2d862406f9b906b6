//! Files and folders.

use std::collections::HashMap;
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Seek};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::rc::Rc;

use walkdir::{DirEntry, WalkDir};

use super::archive::Place;
use super::name::printable;
use super::sniff::{Kind, is_expected};
use super::source::{PEEK, Source};
use super::{Blob, FILE_LIMIT, Item, ProblemKind, Walker};

/// How much of a file is read before anything is known of it, in bytes: most
/// of the vendors' files as a whole, and of others no more than costs nothing.
const FIRST: usize = 64 << 10;

/// The folders that were gone through, by device and inode, with their names.
type Seen = HashMap<(u64, u64), String>;

impl Walker<'_> {
    pub(super) fn start(&mut self, path: &Path) {
        let own_name = path.file_name().unwrap_or(path.as_os_str());
        let name = printable(own_name.as_bytes());
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.folder(path),
            Ok(metadata) if metadata.is_file() => self.file(path, &name, true),
            Ok(metadata) => self.special(&name, metadata.file_type(), true),
            Err(error) => {
                let kind = why_not(path, error);
                self.problem(&name, kind);
            }
        }
    }

    /// Links are followed and each folder is gone through once, under the
    /// first of its names: links alone can make a tree of any depth.
    fn folder(&mut self, root: &Path) {
        let mut seen = Seen::new();
        let mut entries = WalkDir::new(root)
            .follow_links(true)
            .sort_by_file_name()
            .into_iter();
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {
                    if !self.is_new(&mut seen, root, &entry) {
                        entries.skip_current_dir();
                    }
                }
                Ok(entry) => {
                    let name = relative(root, entry.path());
                    if entry.file_type().is_file() {
                        self.file(entry.path(), &name, false);
                    } else {
                        self.special(&name, entry.file_type(), false);
                    }
                }
                Err(error) => self.no_entry(root, error),
            }
        }
    }

    /// Whether the folder `entry` was not seen before.
    fn is_new(&mut self, seen: &mut Seen, root: &Path, entry: &DirEntry) -> bool {
        let name = relative(root, entry.path());
        let identity = match entry.metadata() {
            Ok(metadata) => (metadata.dev(), metadata.ino()),
            Err(error) => {
                self.no_entry(root, error);
                return false;
            }
        };
        if let Some(first) = seen.get(&identity) {
            let first = first.clone();
            self.problem(&name, ProblemKind::FolderAgain { first });
            return false;
        }
        seen.insert(identity, name);
        true
    }

    fn no_entry(&mut self, root: &Path, error: walkdir::Error) {
        let path = error.path().unwrap_or(root).to_owned();
        let kind = match error.loop_ancestor() {
            Some(ancestor) => ProblemKind::FolderAgain {
                first: relative(root, ancestor),
            },
            None => why_not(&path, error.into()),
        };
        self.problem(&relative(root, &path), kind);
    }

    fn special(&mut self, name: &str, file_type: FileType, named: bool) {
        let what = if file_type.is_fifo() {
            "a named pipe"
        } else if file_type.is_socket() {
            "a socket"
        } else {
            "a device"
        };
        self.problem(name, ProblemKind::Special { what, named });
    }

    /// A regular file; `named` if it is what the walk was asked for.
    fn file(&mut self, path: &Path, name: &str, named: bool) {
        if let Err(error) = self.open_file(path, name, named) {
            self.problem(name, ProblemKind::Unreadable(error));
        }
    }

    fn open_file(&mut self, path: &Path, name: &str, named: bool) -> io::Result<()> {
        // If something else was put in the file's place meanwhile, neither
        // opening nor reading it waits, nor does a terminal become ours.
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            self.special(name, metadata.file_type(), named);
            return Ok(());
        }
        self.meter.reset();
        self.buffer.clear();
        // Files of the kernel's own (/proc) have a size of 0 and content.
        let size = match metadata.len() {
            0 => FILE_LIMIT + 1,
            size => usize::try_from(size).unwrap_or(usize::MAX),
        };
        self.buffer.fill(&mut file, size.min(FIRST))?;
        let front = self.buffer.bytes();
        let front = front.get(..PEEK).unwrap_or(front);
        let place = Place::of_file(name, is_expected_file(path));
        match Kind::of(front) {
            Kind::Other if !named && !place.expected => Ok(()),
            Kind::Microcode | Kind::Other => self.whole_file(name, &mut file, size),
            Kind::Cpio => {
                self.buffer.reserve(size.min(FILE_LIMIT))?;
                let mut buffer = mem::take(&mut self.buffer);
                let meter = Rc::clone(&self.meter);
                self.early(&place, &mut meter.count(file), &mut buffer, FILE_LIMIT);
                self.buffer = buffer;
                Ok(())
            }
            Kind::Tar | Kind::Ar | Kind::Compressed(_) => {
                file.rewind()?;
                let meter = Rc::clone(&self.meter);
                let mut reader = meter.count(file);
                self.go(&place, &mut Source::new(&mut reader));
                Ok(())
            }
        }
    }

    /// Hands on a file whose first bytes are in the buffer.
    fn whole_file(&mut self, name: &str, file: &mut File, size: usize) -> io::Result<()> {
        let limit = FILE_LIMIT;
        if size <= limit + 1 {
            self.buffer.fill(file, size)?;
        }
        let bytes = self.buffer.bytes();
        if size > limit + 1 || bytes.len() > limit {
            self.problem(name, ProblemKind::TooLarge { limit });
        } else {
            (self.visit)(Item::Blob(Blob { name, bytes }));
        }
        Ok(())
    }
}

/// The name of `path` as it is shown.
fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let shown = match below.as_os_str().as_bytes() {
        b"" => root.as_os_str().as_bytes(),
        bytes => bytes,
    };
    printable(shown).into_owned()
}

fn is_expected_file(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let name = path.file_name().unwrap_or_default();
    is_expected(folder.as_bytes(), name.as_bytes())
}

/// Why `path` cannot be had, given the error of asking for it.
fn why_not(path: &Path, error: io::Error) -> ProblemKind {
    let is_link = || fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    match error.kind() {
        io::ErrorKind::PermissionDenied => ProblemKind::Unreadable(error),
        _ if is_link() => ProblemKind::BrokenLink,
        _ => ProblemKind::Unreadable(error),
    }
}
