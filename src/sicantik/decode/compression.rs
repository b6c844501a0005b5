//! Bodies that are compressed although nobody asked for it, whether a header says so or not: PHP's
//! output buffer or a proxy was told to compress everything.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::super::error::Unreadable;

/// One layer is PHP's, another one a proxy's.
const MAX_LAYERS: usize = 2;

/// The body as it was before it was compressed, in at most `limit` bytes.
///
/// # Errors
///
/// [`Unreadable::TooLarge`], and [`Unreadable::NotData`] if it breaks off.
pub(in crate::sicantik) fn inflated(
    body: &[u8],
    limit: usize,
) -> Result<Cow<'_, [u8]>, Unreadable> {
    let mut body = Cow::Borrowed(body);
    for _ in 0..MAX_LAYERS {
        let inflated = if is_gzip(&body) {
            bounded(MultiGzDecoder::new(&*body), limit)?
        } else if is_zlib(&body) {
            bounded(ZlibDecoder::new(&*body), limit)?
        } else {
            break;
        };
        body = Cow::Owned(inflated);
    }
    Ok(body)
}

fn is_gzip(body: &[u8]) -> bool {
    body.starts_with(b"\x1f\x8b\x08")
}

/// What HTTP calls `deflate`. Neither JSON nor XML begins with the `x` that it begins with.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [0x78, flags, ..] if (0x7800 + u16::from(*flags)).is_multiple_of(31))
}

fn bounded(decoder: impl Read, limit: usize) -> Result<Vec<u8>, Unreadable> {
    let mut inflated = Vec::new();
    let limit_and_one = (limit as u64).saturating_add(1);
    decoder.take(limit_and_one).read_to_end(&mut inflated).map_err(|_| Unreadable::NotData)?;
    if inflated.len() > limit { Err(Unreadable::TooLarge { limit }) } else { Ok(inflated) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(body: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn reads_what_does_not_say_that_it_is_compressed() {
        let body = br#"[{"pendaftaran_id":"0001"}]"#;
        let members = [gzip(&body[..9]), gzip(&body[9..])].concat();
        for compressed in [gzip(body), zlib(body), gzip(&gzip(body)), gzip(&zlib(body)), members] {
            assert_eq!(inflated(&compressed, 100).unwrap(), &body[..]);
        }
        for plain in [&body[..], b"", b"x", b"x^y", b"\x1f\x8b", b"xml"] {
            if !is_zlib(plain) {
                assert_eq!(inflated(plain, 100).unwrap(), plain);
            }
        }
    }

    #[test]
    fn a_bomb_is_not_inflated_beyond_the_limit() {
        let spaces = vec![b' '; 9 << 20];
        for bomb in [gzip(&spaces), zlib(&spaces), gzip(&gzip(&spaces))] {
            assert!(bomb.len() < 1 << 20);
            assert_eq!(inflated(&bomb, 8 << 20), Err(Unreadable::TooLarge { limit: 8 << 20 }));
        }
        assert_eq!(inflated(&gzip(&spaces[..100]), 100).unwrap().len(), 100);
    }

    proptest! {
        #[test]
        fn half_of_it_is_nothing(
            body in proptest::collection::vec(any::<u8>(), 1..200),
            share in 0.2..0.95f64,
        ) {
            let compressed = gzip(&body);
            let half = &compressed[..(compressed.len() as f64 * share) as usize];
            if is_gzip(half) {
                prop_assert_eq!(inflated(half, 1_000), Err(Unreadable::NotData));
            }
        }

        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = inflated(&body, 1_000);
            let _ = inflated(&[&b"\x1f\x8b\x08"[..], &body].concat(), 1_000);
            let _ = inflated(&[&b"\x78\x9c"[..], &body].concat(), 1_000);
        }
    }
}
