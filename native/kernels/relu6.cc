// csrm::relu6: min(max(x, 0), 6) with a gradient in every dtype. libtorch 1.13 has no bfloat16 gradient of hardtanh, and composing one
// from clamp reads the map four times; MobileNetV2 is bound by exactly these passes.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace {

constexpr int64_t kGrain = 1 << 15;
constexpr int16_t kSix = 0x40C0;       // 6 as bfloat16
constexpr int16_t kInfinity = 0x7F80;  // larger bit patterns are NaN and must stay NaN

inline float clamp6(float x) { return x < 0.f ? 0.f : x > 6.f ? 6.f : x; }
// Positive bfloat16 numbers are ordered like their bits, so whole vectors are clamped as integers.
inline int16_t clamp6(int16_t x) { return x < 0 ? ((x & 0x7FFF) > kInfinity ? x : int16_t{0}) : (x > kSix && x <= kInfinity) ? kSix : x; }

inline bool passes(float y) { return y > 0.f && y < 6.f; }
inline bool passes(int16_t y) { return y > 0 && y < kSix; }

template <class T>
void clamp_all(const T* x, T* y, int64_t n) {
  at::parallel_for(0, n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = clamp6(x[i]);
  });
}

template <class T>
void mask_all(const T* grad, const T* y, T* out, int64_t n) {
  at::parallel_for(0, n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = passes(y[i]) ? grad[i] : T{0};
  });
}

// The fast loops run over memory, whatever the layout, as long as it has no holes and all tensors share it.
bool plain(const at::Tensor& t) {
  return t.is_cpu() && t.is_non_overlapping_and_dense() && (t.scalar_type() == at::kFloat || t.scalar_type() == at::kBFloat16);
}

at::Tensor relu6_plain(const at::Tensor& x) {
  if (!plain(x)) return at::clamp(x, 0, 6);
  at::Tensor y = at::empty_like(x);
  if (x.scalar_type() == at::kFloat)
    clamp_all(x.data_ptr<float>(), y.data_ptr<float>(), x.numel());
  else
    clamp_all(static_cast<const int16_t*>(x.data_ptr()), static_cast<int16_t*>(y.data_ptr()), x.numel());
  return y;
}

at::Tensor relu6_gradient(const at::Tensor& grad, const at::Tensor& y) {
  // Second derivatives need operators that autograd sees.
  if (at::GradMode::is_enabled() || !plain(y) || !plain(grad) || grad.scalar_type() != y.scalar_type() || grad.strides() != y.strides())
    return at::where(y.gt(0).logical_and(y.lt(6)), grad, at::zeros({}, grad.options()));
  at::Tensor out = at::empty_like(grad);
  if (grad.scalar_type() == at::kFloat)
    mask_all(grad.data_ptr<float>(), y.data_ptr<float>(), out.data_ptr<float>(), y.numel());
  else
    mask_all(static_cast<const int16_t*>(grad.data_ptr()), static_cast<const int16_t*>(y.data_ptr()),
             static_cast<int16_t*>(out.data_ptr()), y.numel());
  return out;
}

struct Relu6 : torch::autograd::Function<Relu6> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x) {
    at::AutoDispatchBelowADInplaceOrView below;
    at::Tensor y = relu6_plain(x);
    context->save_for_backward({y});
    return y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    return {relu6_gradient(gradients[0], context->get_saved_variables()[0])};
  }
};

at::Tensor relu6_autograd(const at::Tensor& x) { return Relu6::apply(x); }

}  // namespace

TORCH_LIBRARY_FRAGMENT(csrm, m) { m.def("relu6(Tensor self) -> Tensor"); }
TORCH_LIBRARY_IMPL(csrm, CompositeExplicitAutograd, m) { m.impl("relu6", relu6_plain); }
TORCH_LIBRARY_IMPL(csrm, Autograd, m) { m.impl("relu6", relu6_autograd); }
