// Portable vector types (GCC/Clang extensions) and a vectorised exponential. The compiler lowers them to whatever the target
// has: one AVX-512 register, two AVX ones, or plain scalars.
#pragma once

#include <cstdint>
#include <cstring>

namespace csrm {

using F32x4 = float __attribute__((vector_size(16)));
using F32x8 = float __attribute__((vector_size(32)));
using F32x16 = float __attribute__((vector_size(64)));
using I32x16 = int32_t __attribute__((vector_size(64)));

/// Pixels are worked on in blocks of this many neighbours in a row.
constexpr int kLanes = 16;

inline F32x16 broadcast(float value) { return F32x16{} + value; }

inline F32x16 load16(const float* from) {
  F32x16 value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

inline void store16(float* to, F32x16 value) { std::memcpy(to, &value, sizeof value); }

/// Copies the first `valid` of kLanes elements; a whole block is a move or two instead of a call.
template <class T>
inline void copy_lanes(T* to, const T* from, int valid) {
  if (valid == kLanes) std::memcpy(to, from, sizeof(T) * kLanes);
  else std::memcpy(to, from, sizeof(T) * size_t(valid));
}

/// 16 unsigned bytes as 32-bit integers.
inline I32x16 widen16(const uint8_t* from) {
  uint8_t bytes __attribute__((vector_size(16)));
  std::memcpy(&bytes, from, sizeof bytes);
  return __builtin_convertvector(bytes, I32x16);
}

inline F32x16 max(F32x16 a, F32x16 b) { return a > b ? a : b; }

/// Round half to even for |x| < 2^22: adding 1.5 * 2^23 leaves no fraction bits. (Not valid under -ffast-math.)
inline F32x16 round_even(F32x16 x) {
  const float magic = 12582912.0f;
  return (x + magic) - magic;
}

/// exp(x) for x <= 0 with a relative error below 2e-7. Arguments under -80 count as -80 (1.8e-35): products with weights must
/// not become denormal numbers, with which CPUs are slow.
inline F32x16 exp_nonpositive(F32x16 x) {
  x = max(x, broadcast(-80.0f));
  const F32x16 n = round_even(x * 1.44269504f);
  // ln 2 in two parts, so that x - n ln 2 keeps all its bits.
  const F32x16 r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  // Taylor series; |r| <= ln(2) / 2, so the first term left out is below 1.2e-7 / 40.
  F32x16 p = r * (1.0f / 5040.0f) + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  // 2^n by way of the exponent bits: n >= -116 here, so the result is a normal number.
  const I32x16 bits = (__builtin_convertvector(n, I32x16) + 127) << 23;
  F32x16 power;
  std::memcpy(&power, &bits, sizeof power);
  return p * power;
}

#if defined(__clang__)
#define CSRM_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define CSRM_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, I32x16{__VA_ARGS__})
#endif

/// [kLanes][kWidth] in memory to [kWidth][kLanes]. Parting even from odd elements moves the lowest bit of an element's index
/// to the top; doing so log2(kWidth) times moves the whole column number there.
template <int kWidth>
inline void columns_first(const void* rows, F32x16* columns) {
  F32x16 now[kWidth], next[kWidth];
  std::memcpy(now, rows, sizeof now);
  for (int bit = 1; bit < kWidth; bit *= 2) {
    for (int i = 0; i < kWidth / 2; i++) {
      const F32x16 a = now[2 * i], b = now[2 * i + 1];
      next[i] = CSRM_SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
      next[kWidth / 2 + i] = CSRM_SHUFFLE(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    }
    std::memcpy(now, next, sizeof now);
  }
  std::memcpy(columns, now, sizeof now);
}

/// The inverse: [kWidth][kLanes] to [kLanes][kWidth] in memory.
template <int kWidth>
inline void lanes_first(const F32x16* columns, void* rows) {
  F32x16 now[kWidth], next[kWidth];
  std::memcpy(now, columns, sizeof now);
  for (int bit = 1; bit < kWidth; bit *= 2) {
    for (int i = 0; i < kWidth / 2; i++) {
      const F32x16 a = now[i], b = now[kWidth / 2 + i];
      next[2 * i] = CSRM_SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      next[2 * i + 1] = CSRM_SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
    std::memcpy(now, next, sizeof now);
  }
  std::memcpy(rows, now, sizeof now);
}

#undef CSRM_SHUFFLE

}  // namespace csrm
