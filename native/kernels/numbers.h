// Number types of the kernels as plain loops want them: conversions that the compiler turns into vectors, and what sums are kept in.
#pragma once
#include <ATen/ATen.h>

#include <cstring>
#include <type_traits>

namespace csrm {

/// What single values are computed in.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T>
inline Wide<T> widened(T value) { return value; }
inline float widened(at::BFloat16 value) {
  const uint32_t bits = uint32_t(value.x) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}

/// Rounds to nearest, ties to even.
template <class T>
inline void narrowed(Wide<T> value, T& to) { to = value; }
inline void narrowed(float value, at::BFloat16& to) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t nearest = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  to.x = uint16_t((bits & 0x7FFFFFFF) > 0x7F800000 ? 0x7FC0 : nearest);
}

/// Calls body with a zero of the tensor's type.
template <class Body>
void for_dtype(const at::Tensor& tensor, const Body& body) {
  switch (tensor.scalar_type()) {
    case at::kFloat: return body(float());
    case at::kDouble: return body(double());
    case at::kBFloat16: return body(at::BFloat16());
    default: TORCH_CHECK(false, "expected float32, float64 or bfloat16, got ", tensor.scalar_type());
  }
}

inline at::Tensor channels_last(const at::Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }

}  // namespace csrm
