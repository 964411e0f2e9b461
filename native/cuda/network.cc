// csrm::gpu_norm_act, csrm::gpu_attend and csrm::gpu_group_norm: what stands between convolutions, each in one kernel forward and one or
// two backward. libtorch adds a convolution's bias to channels-last maps by a slow kernel, and has the rest as separate passes over memory.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <string>
#include <tuple>

#include "../kernels/second_derivatives.h"
#include "program.h"

namespace csrm::cuda {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

#define KERNELS(...) #__VA_ARGS__
const std::string kKernels =
#include "network_kernels.h"
    ;
#undef KERNELS
#define KERNELS(...) __VA_ARGS__
namespace of_float {
using T = float;
const std::string kProgram = std::string(kPrelude) + "typedef float T;\n" + kKernels;
#include "network_kernels.h"
}  // namespace of_float
namespace of_bfloat16 {
using T = bfloat16;
const std::string kProgram = std::string(kPrelude) + "typedef bfloat16 T;\n" + kKernels;
#include "network_kernels.h"
}  // namespace of_bfloat16
namespace of_float16 {
using T = float16;
const std::string kProgram = std::string(kPrelude) + "typedef float16 T;\n" + kKernels;
#include "network_kernels.h"
}  // namespace of_float16

/// Runs the kernel for the type of x, which arguments may call T.
#define RUN(kernel, x, threads, ...)                                                                           \
  do {                                                                                                         \
    if ((x).scalar_type() == at::kFloat) {                                                                     \
      using T = float;                                                                                         \
      run(of_float::kProgram.c_str(), #kernel, of_float::kernel, (x).device(), threads, __VA_ARGS__);          \
    } else if ((x).scalar_type() == at::kHalf) {                                                               \
      using T = float16;                                                                                       \
      run(of_float16::kProgram.c_str(), #kernel, of_float16::kernel, (x).device(), threads, __VA_ARGS__);      \
    } else {                                                                                                   \
      using T = bfloat16;                                                                                      \
      run(of_bfloat16::kProgram.c_str(), #kernel, of_bfloat16::kernel, (x).device(), threads, __VA_ARGS__);    \
    }                                                                                                          \
  } while (0)

/// Pixels that one thread adds up.
constexpr int kStretch = 32;

at::Tensor empty_maps(at::IntArrayRef shape, const at::Tensor& like) { return at::empty(shape, like.options(), at::MemoryFormat::ChannelsLast); }
int64_t packs_of(const at::Tensor& maps) { return maps.numel() / 4; }
int64_t pixels_of(const at::Tensor& maps) { return maps.size(2) * maps.size(3); }
int64_t rows_of(const at::Tensor& maps) { return maps.size(0) * pixels_of(maps); }
/// Threads of a kernel that takes four rows each.
int64_t shares_of(const at::Tensor& maps) { return (rows_of(maps) + 3) / 4 * (maps.size(1) / 4); }
int64_t stretches_of(const at::Tensor& maps) { return maps.size(0) * ((pixels_of(maps) + kStretch - 1) / kStretch); }
/// Null where there is no tensor.
template <class T>
T* data(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<T>() : nullptr;
}

void check_maps(const at::Tensor& x) {
  TORCH_CHECK(x.dim() == 4 && x.size(1) % 4 == 0, "expected maps [B, C, H, W] with a multiple of four channels, got ", x.sizes());
  const at::ScalarType type = x.scalar_type();
  TORCH_CHECK(type == at::kFloat || type == at::kBFloat16 || type == at::kHalf, "expected float32, bfloat16 or float16, got ", type);
}

/// Channels last, and at a place in memory where whole packs can be read.
at::Tensor in_packs(const at::Tensor& x) {
  const at::Tensor last = channels_last(x);
  return reinterpret_cast<uintptr_t>(last.data_ptr()) % 16 == 0 ? last : last.clone();
}

void check_of_channels(const at::Tensor& x, const at::Tensor& values) {
  TORCH_CHECK(values.scalar_type() == at::kFloat && values.dim() == 1 && values.size(0) == x.size(1) && values.device() == x.device() &&
                  values.is_contiguous(),
              "expected contiguous float32 [", x.size(1), "] on ", x.device(), ", got ", values.scalar_type(), " ", values.sizes(), " on ",
              values.device());
}

// Batch normalisation by running statistics, with what is added to it and the ReLU that follows.

struct Norm {
  at::Tensor mean, variance, weight, bias;
  double eps;
};

at::Tensor norm_act(const at::Tensor& x_in, const at::Tensor& more_in, const Norm& norm, bool relu) {
  check_maps(x_in);
  for (const auto* values : {&norm.mean, &norm.variance, &norm.weight, &norm.bias}) check_of_channels(x_in, *values);
  const at::Tensor x = in_packs(x_in), more = more_in.defined() ? in_packs(more_in.to(x.scalar_type())) : more_in;
  TORCH_CHECK(!more.defined() || (more.sizes() == x.sizes() && more.device() == x.device()), "expected ", x.sizes(), " on ", x.device(),
              " to add, got ", more_in.sizes());
  at::Tensor y = empty_maps(x.sizes(), x);
  RUN(norm_act, x, shares_of(x), data<T>(x), data<T>(more), data<float>(norm.mean), data<float>(norm.variance), data<float>(norm.weight),
      data<float>(norm.bias), float(norm.eps), int(relu), int(x.size(1)), rows_of(x), data<T>(y));
  return y;
}

struct NormAct : Function<NormAct> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const c10::optional<at::Tensor>& more, const at::Tensor& mean,
                            const at::Tensor& variance, const at::Tensor& weight, const at::Tensor& bias, double eps, bool relu) {
    at::AutoDispatchBelowADInplaceOrView below;
    const at::Tensor y = norm_act(x, more.value_or(at::Tensor()), {mean, variance, weight, bias, eps}, relu);
    context->save_for_backward({relu ? y : at::Tensor(), variance, weight});
    context->saved_data["eps"] = eps;
    context->saved_data["x"] = x.requires_grad();
    context->saved_data["more"] = more && more->requires_grad();
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list incoming) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &y = saved[0], &variance = saved[1], &weight = saved[2], none;
    at::Tensor dx, dmore;
    if (at::GradMode::is_enabled()) {
      // Second derivatives need operators that autograd sees.
      const at::Tensor passed = y.defined() ? incoming[0] * (y > 0) : incoming[0];
      const at::Tensor scale = weight * (variance + context->saved_data["eps"].toDouble()).rsqrt();
      if (context->saved_data["x"].toBool()) dx = passed * scale.reshape({1, -1, 1, 1}).to(passed.scalar_type());
      if (context->saved_data["more"].toBool()) dmore = passed;
      return {dx, dmore, none, none, none, none, none, none};
    }
    const at::Tensor dy = in_packs(incoming[0]);
    if (context->saved_data["x"].toBool()) dx = empty_maps(dy.sizes(), dy);
    if (context->saved_data["more"].toBool()) dmore = empty_maps(dy.sizes(), dy);
    RUN(norm_act_back, dy, shares_of(dy), data<T>(dy), data<T>(y), data<float>(variance), data<float>(weight),
        float(context->saved_data["eps"].toDouble()), int(dy.size(1)), rows_of(dy), data<T>(dx), data<T>(dmore));
    return {dx, dmore, none, none, none, none, none, none};
  }
};

at::Tensor norm_act_plain(const at::Tensor& x, const c10::optional<at::Tensor>& more, const at::Tensor& mean, const at::Tensor& variance,
                          const at::Tensor& weight, const at::Tensor& bias, double eps, bool relu) {
  return norm_act(x, more.value_or(at::Tensor()), {mean, variance, weight, bias, eps}, relu);
}

at::Tensor norm_act_autograd(const at::Tensor& x, const c10::optional<at::Tensor>& more, const at::Tensor& mean,
                             const at::Tensor& variance, const at::Tensor& weight, const at::Tensor& bias, double eps, bool relu) {
  TORCH_CHECK(!at::GradMode::is_enabled() || !(weight.requires_grad() || bias.requires_grad()), "csrm::gpu_norm_act has no gradients of the norm");
  return NormAct::apply(x, more, mean, variance, weight.detach(), bias.detach(), eps, relu);
}

// Split attention.

at::Tensor attend(const at::Tensor& maps_in, const at::Tensor& weights_in) {
  check_maps(maps_in);
  const at::Tensor maps = in_packs(maps_in), weights = weights_in.contiguous();
  const int64_t channels = maps.size(1) / 2;
  TORCH_CHECK(channels % 4 == 0 && weights.sizes() == at::IntArrayRef({maps.size(0), 2 * channels}) && weights.scalar_type() == maps.scalar_type() &&
                  weights.device() == maps.device(),
              "expected weights [", maps.size(0), ", ", maps.size(1), "] of two times a multiple of four channels as ", maps.scalar_type(), ", got ",
              weights.scalar_type(), " ", weights.sizes());
  at::Tensor out = empty_maps({maps.size(0), channels, maps.size(2), maps.size(3)}, maps);
  RUN(attend, maps, packs_of(out), data<T>(maps), data<T>(weights), int(channels), pixels_of(maps), packs_of(out), data<T>(out));
  return out;
}

struct Attend : Function<Attend> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& maps, const at::Tensor& weights) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({maps, weights});
    return attend(maps, weights);
  }
  static variable_list backward(AutogradContext* context, variable_list incoming) {
    const auto saved = context->get_saved_variables();
    if (at::GradMode::is_enabled()) {
      const at::Tensor both = at::cat({incoming[0], incoming[0]}, 1);
      return {both * saved[1].unsqueeze(2).unsqueeze(3), (both * saved[0]).sum(at::IntArrayRef{2, 3})};
    }
    const at::Tensor maps = in_packs(saved[0]), weights = saved[1].contiguous(), dout = in_packs(incoming[0]);
    at::Tensor dmaps = empty_maps(maps.sizes(), maps), dweights = at::zeros(weights.sizes(), weights.options().dtype(at::kFloat));
    RUN(attend_back, maps, stretches_of(maps) * dout.size(1) / 4, data<T>(dout), data<T>(maps), data<T>(weights), int(dout.size(1)),
        pixels_of(maps), kStretch, maps.size(0), data<T>(dmaps), data<float>(dweights));
    return {dmaps, dweights.to(weights.scalar_type())};
  }
};

// Group normalisation, with the ReLU that follows.

struct Groups {
  at::Tensor weight, bias;
  int64_t count;
  double eps;
  bool relu;
};

/// Mean and 1 / deviation of every group: [B, groups, 2]. Sums are of differences to a group's first value, so that a large mean costs no digits.
at::Tensor group_statistics(const at::Tensor& x, const Groups& groups) {
  const at::Tensor sums = at::zeros({x.size(0), groups.count, 2}, x.options().dtype(at::kDouble));
  RUN(group_sums, x, stretches_of(x) * x.size(1) / 4, data<T>(x), int(x.size(1)), int(groups.count), pixels_of(x), kStretch, x.size(0),
      data<double>(sums));
  const at::Tensor means = sums.div(double(x.size(1) / groups.count * pixels_of(x)));
  const at::Tensor offset = means.select(2, 0), variance = means.select(2, 1) - offset.square();
  if (x.numel() == 0) return means.to(at::kFloat);
  const at::Tensor first = x.select(2, 0).select(2, 0).slice(1, 0, x.size(1), x.size(1) / groups.count);
  return at::stack({first + offset, variance.clamp_min(0).add(groups.eps).rsqrt()}, 2).to(at::kFloat);
}

std::tuple<at::Tensor, at::Tensor> group_norm(const at::Tensor& x_in, const Groups& groups) {
  check_maps(x_in);
  check_of_channels(x_in, groups.weight), check_of_channels(x_in, groups.bias);
  TORCH_CHECK(groups.count > 0 && x_in.size(1) % (4 * groups.count) == 0, "expected groups of a multiple of four channels, got ", groups.count,
              " groups of ", x_in.size(1), " channels");
  const at::Tensor x = in_packs(x_in), statistics = group_statistics(x, groups);
  at::Tensor y = empty_maps(x.sizes(), x);
  RUN(group_norm, x, packs_of(x), data<T>(x), data<float>(statistics), data<float>(groups.weight), data<float>(groups.bias), int(groups.relu),
      int(x.size(1)), int(groups.count), pixels_of(x), packs_of(x), data<T>(y));
  return {y, statistics};
}

struct GroupNorm : Function<GroupNorm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, int64_t count, const at::Tensor& weight, const at::Tensor& bias,
                            double eps, bool relu) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto [y, statistics] = group_norm(x, {weight, bias, count, eps, relu});
    context->save_for_backward({x, weight, bias, statistics});
    context->saved_data["count"] = count;
    context->saved_data["relu"] = relu;
    context->saved_data["eps"] = eps;
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list incoming) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &weight = saved[1], &bias = saved[2], &statistics = saved[3];
    if (at::GradMode::is_enabled()) {
      at::Tensor y = at::group_norm(saved[0].to(at::kFloat), context->saved_data["count"].toInt(), weight, bias, context->saved_data["eps"].toDouble());
      if (context->saved_data["relu"].toBool()) y = y.relu();
      const auto g = differentiable_gradients(y.to(saved[0].scalar_type()), {saved[0], weight, bias}, incoming[0]);
      return {g[0], at::Tensor(), g[1], g[2], at::Tensor(), at::Tensor()};
    }
    const at::Tensor x = in_packs(saved[0]);
    const at::Tensor dy = in_packs(incoming[0]);
    const int64_t count = context->saved_data["count"].toInt(), channels = x.size(1);
    const int relu = context->saved_data["relu"].toBool();
    const at::Tensor sums = at::zeros({x.size(0), channels, 2}, statistics.options());
    RUN(group_norm_sums, x, stretches_of(x) * channels / 4, data<T>(dy), data<T>(x), data<float>(statistics), data<float>(weight),
        data<float>(bias), relu, int(channels), int(count), pixels_of(x), kStretch, x.size(0), data<float>(sums));
    const double values = double(channels / count * pixels_of(x));
    const at::Tensor means =
        sums.mul(weight.reshape({1, channels, 1})).reshape({x.size(0), count, channels / count, 2}).sum(2).div(values).contiguous();
    at::Tensor dx = empty_maps(x.sizes(), x);
    RUN(group_norm_back, x, packs_of(x), data<T>(dy), data<T>(x), data<float>(statistics), data<float>(means), data<float>(weight),
        data<float>(bias), relu, int(channels), int(count), pixels_of(x), packs_of(x), data<T>(dx));
    const at::Tensor of_channels = sums.sum(0), none;
    return {dx, none, of_channels.select(1, 1), of_channels.select(1, 0), none, none};
  }
};

at::Tensor group_norm_plain(const at::Tensor& x, int64_t count, const at::Tensor& weight, const at::Tensor& bias, double eps, bool relu) {
  return std::get<0>(group_norm(x, {weight, bias, count, eps, relu}));
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(csrm, m) {
  m.def("gpu_norm_act(Tensor x, Tensor? more, Tensor mean, Tensor variance, Tensor weight, Tensor bias, float eps, bool relu) -> Tensor");
  m.def("gpu_attend(Tensor maps, Tensor weights) -> Tensor");
  m.def("gpu_group_norm(Tensor x, int groups, Tensor weight, Tensor bias, float eps, bool relu) -> Tensor");
}
#define IMPLEMENT(key)                          \
  TORCH_LIBRARY_IMPL(csrm, key, m) {            \
    m.impl("gpu_norm_act", norm_act_plain);     \
    m.impl("gpu_attend", attend);               \
    m.impl("gpu_group_norm", group_norm_plain); \
  }
IMPLEMENT(CPU)
IMPLEMENT(CUDA)
TORCH_LIBRARY_IMPL(csrm, Autograd, m) {
  m.impl("gpu_norm_act", norm_act_autograd);
  m.impl("gpu_attend", [](const at::Tensor& maps, const at::Tensor& weights) -> at::Tensor { return Attend::apply(maps, weights); });
  m.impl("gpu_group_norm", [](const at::Tensor& x, int64_t count, const at::Tensor& weight, const at::Tensor& bias, double eps,
                              bool relu) -> at::Tensor { return GroupNorm::apply(x, count, weight, bias, eps, relu); });
}

}  // namespace csrm::cuda
