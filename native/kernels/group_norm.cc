// csrm::group_norm_relu: group normalisation of channels-last maps, with the ReLU that follows it, in one pass forward and one backward.
// libtorch's kernels want float32 and go through the contiguous layout: with the conversions around them they read and write a map nine
// times, and they keep it in float32 for backward.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "numbers.h"
#include "second_derivatives.h"

namespace {

using namespace csrm;

// Sums are taken over runs of so many pixels, then over the runs in order: the same for any number of threads.
constexpr int64_t kRun = 512;

struct Shape {
  int64_t images, channels, pixels, groups;
  explicit Shape(const at::Tensor& x, int64_t groups) : images(x.size(0)), channels(x.size(1)), pixels(x.size(2) * x.size(3)), groups(groups) {}
  int64_t runs() const { return (pixels + kRun - 1) / kRun; }
  int64_t per_group() const { return channels / groups; }
};

/// Calls body(image, first pixel, end, run) for every run, in parallel where there is enough to do for a second thread.
template <class Body>
void for_runs(const Shape& s, const Body& body) {
  const int64_t values = std::max<int64_t>(1, std::min(s.pixels, kRun) * s.channels);
  at::parallel_for(0, s.images * s.runs(), std::max<int64_t>(1, at::internal::GRAIN_SIZE / values), [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end; ++job) {
      const int64_t first = job % s.runs() * kRun;
      body(job / s.runs(), first, std::min(first + kRun, s.pixels), job);
    }
  });
}

/// Two sums a channel of each image: body(image, first, end, a, b) adds up one run.
template <class Body>
void channel_sums(const Shape& s, std::vector<double>& a, std::vector<double>& b, const Body& body) {
  std::vector<double> parts(size_t(s.images * s.runs() * 2 * s.channels), 0);
  for_runs(s, [&](int64_t image, int64_t first, int64_t end, int64_t job) {
    double* own = &parts[job * 2 * s.channels];
    body(image, first, end, own, own + s.channels);
  });
  a.assign(size_t(s.images * s.channels), 0);
  b.assign(size_t(s.images * s.channels), 0);
  for (int64_t job = 0; job < s.images * s.runs(); ++job) {
    const double* own = &parts[job * 2 * s.channels];
    const int64_t at = job / s.runs() * s.channels;
    for (int64_t c = 0; c < s.channels; ++c) a[at + c] += own[c], b[at + c] += own[s.channels + c];
  }
}

/// y = x·scale + shift for each channel of each image.
template <class W>
void affine(const Shape& s, const at::Tensor& mean, const at::Tensor& rstd, const at::Tensor& weight, const at::Tensor& bias, std::vector<W>& scale, std::vector<W>& shift) {
  scale.resize(size_t(s.images * s.channels));
  shift.resize(scale.size());
  const double *m = mean.data_ptr<double>(), *r = rstd.data_ptr<double>(), *w = weight.data_ptr<double>(), *b = bias.data_ptr<double>();
  for (int64_t i = 0; i < s.images * s.channels; ++i) {
    const int64_t c = i % s.channels, group = i / s.channels * s.groups + c / s.per_group();
    scale[i] = W(w[c] * r[group]);
    shift[i] = W(b[c] - m[group] * w[c] * r[group]);
  }
}

template <class T>
void normalise(const T* x, T* y, const Shape& s, bool relu, double eps, const at::Tensor& weight, const at::Tensor& bias, at::Tensor& mean, at::Tensor& rstd) {
  using W = Wide<T>;
  std::vector<double> sums, squares;
  channel_sums(s, sums, squares, [&](int64_t image, int64_t first, int64_t end, double* sum, double* square) {
    for (int64_t p = first; p < end; ++p) {
      const T* pixel = x + (image * s.pixels + p) * s.channels;
      for (int64_t c = 0; c < s.channels; ++c) {
        const double value = widened(pixel[c]);
        sum[c] += value;
        square[c] += value * value;
      }
    }
  });
  const double count = double(s.per_group() * s.pixels);
  for (int64_t group = 0; group < s.images * s.groups; ++group) {
    double sum = 0, square = 0;
    for (int64_t c = group * s.per_group(); c < (group + 1) * s.per_group(); ++c) sum += sums[c], square += squares[c];
    const double m = sum / count;
    mean.data_ptr<double>()[group] = m;
    // A NaN must stay one.
    const double variance = square / count - m * m;
    rstd.data_ptr<double>()[group] = 1 / std::sqrt((variance < 0 ? 0 : variance) + eps);
  }
  std::vector<W> scale, shift;
  affine(s, mean, rstd, weight, bias, scale, shift);
  for_runs(s, [&](int64_t image, int64_t first, int64_t end, int64_t) {
    const W *own_scale = &scale[image * s.channels], *own_shift = &shift[image * s.channels];
    const W floor = relu ? W(0) : -std::numeric_limits<W>::infinity();
    for (int64_t p = first; p < end; ++p) {
      const int64_t at = (image * s.pixels + p) * s.channels;
      for (int64_t c = 0; c < s.channels; ++c) {
        const W value = widened(x[at + c]) * own_scale[c] + own_shift[c];
        narrowed(value < floor ? floor : value, y[at + c]);
      }
    }
  });
}

/// dy where the ReLU let y = x·scale + shift through, else 0. One pixel; plain pointers, which the compiler needs for vectors.
template <class T, class W>
inline void through(const T* __restrict dy, const T* __restrict x, const W* __restrict scale, const W* __restrict shift, W floor, W* __restrict passed, int64_t n) {
  for (int64_t c = 0; c < n; ++c) {
    const W y = widened(x[c]) * scale[c] + shift[c], gradient = widened(dy[c]);
    passed[c] = y > floor ? gradient : W(0);
  }
}

template <class T, class W>
inline void add_up(const W* __restrict passed, const T* __restrict x, const W* __restrict centre, W* __restrict product, W* __restrict sum, int64_t n) {
  for (int64_t c = 0; c < n; ++c) {
    product[c] += passed[c] * (widened(x[c]) - centre[c]);
    sum[c] += passed[c];
  }
}

template <class T, class W>
inline void combine(const W* __restrict passed, const T* __restrict x, const W* __restrict centre, const W* __restrict scale, const W* __restrict slope, const W* __restrict constant, T* __restrict dx, int64_t n) {
  for (int64_t c = 0; c < n; ++c) narrowed(passed[c] * scale[c] + (widened(x[c]) - centre[c]) * slope[c] + constant[c], dx[c]);
}

/// Gradients dx of x, and dw, db of weight and bias (double, [C]).
template <class T>
void gradients(const T* dy, const T* x, T* dx, const Shape& s, bool relu, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& mean, const at::Tensor& rstd, at::Tensor& dw, at::Tensor& db) {
  using W = Wide<T>;
  constexpr int64_t kShort = 64;  // pixels whose sums need no more than W
  const int64_t n = s.channels;
  std::vector<W> scale, shift;
  affine(s, mean, rstd, weight, bias, scale, shift);
  // What passes the ReLU; without one everything does.
  const W floor = relu ? W(0) : -std::numeric_limits<W>::infinity();
  const double *m = mean.data_ptr<double>(), *r = rstd.data_ptr<double>(), *w = weight.data_ptr<double>();
  std::vector<W> centre(scale.size()), slope(scale.size()), constant(scale.size());
  for (int64_t i = 0; i < s.images * n; ++i) centre[i] = W(m[i / s.per_group()]);

  std::vector<double> products, sums;
  channel_sums(s, products, sums, [&](int64_t image, int64_t first, int64_t end, double* product, double* sum) {
    std::vector<W> scratch(size_t(3 * n));
    W *passed = scratch.data(), *short_product = passed + n, *short_sum = short_product + n;
    for (int64_t begin = first; begin < end; begin += kShort) {
      std::fill(short_product, short_product + 2 * n, W(0));
      for (int64_t p = begin; p < std::min(begin + kShort, end); ++p) {
        const int64_t at = (image * s.pixels + p) * n;
        through(dy + at, x + at, &scale[image * n], &shift[image * n], floor, passed, n);
        add_up(passed, x + at, &centre[image * n], short_product, short_sum, n);
      }
      for (int64_t c = 0; c < n; ++c) product[c] += short_product[c], sum[c] += short_sum[c];
    }
  });
  const double share = 1 / double(s.per_group() * s.pixels);
  for (int64_t group = 0; group < s.images * s.groups; ++group) {
    const int64_t begin = group * s.per_group(), end = begin + s.per_group();
    double product = 0, sum = 0;
    for (int64_t i = begin; i < end; ++i) {
      product += w[i % n] * products[i];
      sum += w[i % n] * sums[i];
      dw.data_ptr<double>()[i % n] += products[i] * r[group];
      db.data_ptr<double>()[i % n] += sums[i];
    }
    std::fill(slope.begin() + begin, slope.begin() + end, W(-product * r[group] * r[group] * r[group] * share));
    std::fill(constant.begin() + begin, constant.begin() + end, W(-sum * r[group] * share));
  }
  for_runs(s, [&](int64_t image, int64_t first, int64_t end, int64_t) {
    std::vector<W> passed(size_t(n), W(0));
    const int64_t own = image * n;
    for (int64_t p = first; p < end; ++p) {
      const int64_t at = (image * s.pixels + p) * n;
      through(dy + at, x + at, &scale[own], &shift[own], floor, passed.data(), n);
      combine(passed.data(), x + at, &centre[own], &scale[own], &slope[own], &constant[own], dx + at, n);
    }
  });
}

at::Tensor exact(const at::Tensor& parameter) { return parameter.detach().to(at::kDouble).contiguous(); }

using Results = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

void check(const at::Tensor& x, int64_t groups, const at::Tensor& weight, const at::Tensor& bias) {
  TORCH_CHECK(x.dim() == 4 && x.is_cpu(), "expected maps [B, C, H, W] on the CPU, got ", x.sizes(), " on ", x.device());
  TORCH_CHECK(groups > 0 && x.size(1) % groups == 0, "expected a divisor of ", x.size(1), " channels, got ", groups, " groups");
  TORCH_CHECK(weight.numel() == x.size(1) && bias.numel() == x.size(1), "expected a weight and a bias a channel, got ", weight.sizes(), " and ", bias.sizes());
}

/// y, and the groups' mean and 1 / deviation [B, groups].
Results forward_cpu(const at::Tensor& x, int64_t groups, const at::Tensor& weight, const at::Tensor& bias, double eps, bool relu) {
  check(x, groups, weight, bias);
  const at::Tensor input = channels_last(x);
  at::Tensor y = at::empty(x.sizes(), x.options(), at::MemoryFormat::ChannelsLast);
  at::Tensor mean = at::empty({x.size(0), groups}, x.options().dtype(at::kDouble)), rstd = at::empty_like(mean);
  for_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    normalise(input.data_ptr<T>(), y.data_ptr<T>(), Shape(x, groups), relu, eps, exact(weight), exact(bias), mean, rstd);
  });
  return {y, mean, rstd};
}

struct GroupNormRelu : torch::autograd::Function<GroupNormRelu> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, int64_t groups, const at::Tensor& weight, const at::Tensor& bias, double eps, bool relu) {
    at::AutoDispatchBelowADInplaceOrView below;
    auto [y, mean, rstd] = forward_cpu(x, groups, weight, bias, eps, relu);
    context->save_for_backward({x, weight, bias, mean, rstd});
    context->saved_data["groups"] = groups;
    context->saved_data["eps"] = eps;
    context->saved_data["relu"] = relu;
    return y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list incoming) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &bias = saved[2];
    const int64_t groups = context->saved_data["groups"].toInt();
    const bool relu = context->saved_data["relu"].toBool();
    if (at::GradMode::is_enabled()) {
      at::Tensor y = at::group_norm(x, groups, weight, bias, context->saved_data["eps"].toDouble());
      if (relu) y = y.relu();
      const auto g = differentiable_gradients(y, {x, weight, bias}, incoming[0]);
      return {g[0], at::Tensor(), g[1], g[2], at::Tensor(), at::Tensor()};
    }
    const at::Tensor input = channels_last(x), upstream = channels_last(incoming[0]);
    at::Tensor dx = at::empty(x.sizes(), x.options(), at::MemoryFormat::ChannelsLast);
    at::Tensor dw = at::zeros({x.size(1)}, x.options().dtype(at::kDouble)), db = at::zeros_like(dw);
    for_dtype(x, [&](auto zero) {
      using T = decltype(zero);
      gradients(upstream.data_ptr<T>(), input.data_ptr<T>(), dx.data_ptr<T>(), Shape(x, groups), relu, exact(weight), exact(bias), saved[3], saved[4], dw, db);
    });
    return {dx, at::Tensor(), dw.to(weight.scalar_type()), db.to(bias.scalar_type()), at::Tensor(), at::Tensor()};
  }
};

at::Tensor group_norm_relu_cpu(const at::Tensor& x, int64_t groups, const at::Tensor& weight, const at::Tensor& bias, double eps, bool relu) {
  return std::get<0>(forward_cpu(x, groups, weight, bias, eps, relu));
}
at::Tensor group_norm_relu_autograd(const at::Tensor& x, int64_t groups, const at::Tensor& weight, const at::Tensor& bias, double eps, bool relu) {
  return GroupNormRelu::apply(x, groups, weight, bias, eps, relu);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(csrm, m) { m.def("group_norm_relu(Tensor x, int groups, Tensor weight, Tensor bias, float eps, bool relu) -> Tensor"); }
TORCH_LIBRARY_IMPL(csrm, CPU, m) { m.impl("group_norm_relu", group_norm_relu_cpu); }
TORCH_LIBRARY_IMPL(csrm, Autograd, m) { m.impl("group_norm_relu", group_norm_relu_autograd); }
