//! Bytes of a bitmap from scalar indices straight into places of a vector: half of the time of a scan of many windows.
use core::arch::x86_64::__m128i;

/// A function that puts the bytes of `bits` at eight indices of 16 bits to eight places of a vector, zeros elsewhere. By
/// hand: an insertion straight from memory is one operation where what compilers make of it is three.
macro_rules! put {
    ($name:ident, $what:literal, $a:literal $b:literal $c:literal $d:literal $e:literal $f:literal $g:literal $h:literal) => {
        #[doc = $what]
        ///
        /// # Safety
        /// AVX and BMI1 are there; `bits` has a byte for each index.
        #[inline(always)]
        pub(super) unsafe fn $name(bits: *const u8, at: __m128i) -> __m128i {
            let mut got: __m128i;
            // SAFETY: reads one byte at each index, which the caller promises to be there; writes registers only.
            unsafe {
                core::arch::asm!(
                    "vmovq {q}, {at}",
                    "vpextrq {r}, {at}, 1",
                    "movzx {t:e}, {q:x}",
                    "movzx {u:e}, {r:x}",
                    "vpxor {got}, {got}, {got}",
                    concat!("vpinsrb {got}, {got}, byte ptr [{bits} + {t}], ", $a),
                    concat!("vpinsrb {got}, {got}, byte ptr [{bits} + {u}], ", $e),
                    "bextr {t}, {q}, {second}",
                    "bextr {u}, {r}, {second}",
                    concat!("vpinsrb {got}, {got}, byte ptr [{bits} + {t}], ", $b),
                    concat!("vpinsrb {got}, {got}, byte ptr [{bits} + {u}], ", $f),
                    "bextr {t}, {q}, {third}",
                    "bextr {u}, {r}, {third}",
                    concat!("vpinsrb {got}, {got}, byte ptr [{bits} + {t}], ", $c),
                    concat!("vpinsrb {got}, {got}, byte ptr [{bits} + {u}], ", $g),
                    "shr {q}, 48",
                    "shr {r}, 48",
                    concat!("vpinsrb {got}, {got}, byte ptr [{bits} + {q}], ", $d),
                    concat!("vpinsrb {got}, {got}, byte ptr [{bits} + {r}], ", $h),
                    at = in(xmm_reg) at,
                    bits = in(reg) bits,
                    // 16 bits from bit 16 and from bit 32 on.
                    second = in(reg) 0x1010u64,
                    third = in(reg) 0x1020u64,
                    q = out(reg) _,
                    r = out(reg) _,
                    t = out(reg) _,
                    u = out(reg) _,
                    got = out(xmm_reg) got,
                    options(pure, readonly, nostack),
                );
            }
            got
        }
    };
}

put!(eight, "The first eight bytes, in order.", "0" "1" "2" "3" "4" "5" "6" "7");
put!(first_two, "Of four words of four bytes the first two bytes each.", "0" "1" "4" "5" "8" "9" "12" "13");
put!(last_two, "Of four words of four bytes the last two bytes each.", "2" "3" "6" "7" "10" "11" "14" "15");
put!(even, "Of four words of four bytes the first and the third each.", "0" "2" "4" "6" "8" "10" "12" "14");

/// The bytes of `bits` at four indices of 32 bits, each in the first byte of its word.
///
/// # Safety
/// AVX2 is there; `bits` has a byte for each index.
#[inline(always)]
pub(super) unsafe fn one(bits: *const u8, at: __m128i) -> __m128i {
    let mut got: __m128i;
    // SAFETY: reads one byte at each index, which the caller promises to be there; writes registers only.
    unsafe {
        core::arch::asm!(
            "vmovq {q}, {at}",
            "vpextrq {r}, {at}, 1",
            "mov {t:e}, {q:e}",
            "mov {u:e}, {r:e}",
            "shr {q}, 32",
            "shr {r}, 32",
            "movzx {t:e}, byte ptr [{bits} + {t}]",
            "vmovd {got}, {t:e}",
            "vpinsrb {got}, {got}, byte ptr [{bits} + {q}], 4",
            "vpinsrb {got}, {got}, byte ptr [{bits} + {u}], 8",
            "vpinsrb {got}, {got}, byte ptr [{bits} + {r}], 12",
            at = in(xmm_reg) at,
            bits = in(reg) bits,
            q = out(reg) _,
            r = out(reg) _,
            t = out(reg) _,
            u = out(reg) _,
            got = out(xmm_reg) got,
            options(pure, readonly, nostack),
        );
    }
    got
}
