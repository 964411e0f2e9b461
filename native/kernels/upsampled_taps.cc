// csrm::upsampled_taps: the sum that a 3×3 convolution of a bilinearly upsampled map comes down to. Weighting channels and interpolating
// pixels commute, so the nine taps are applied to the small map, where a convolution by a matrix costs a sixteenth at a stride four
// times as wide, and only their sum is taken at the large size. Both directions are linear, and each is the other's gradient.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <vector>

#include "numbers.h"

namespace {

using namespace csrm;

constexpr int64_t kSide = 3, kTaps = kSide * kSide;

// Bilinear interpolation along one axis, corners aligned: large[i] = (1 − part[i])·small[low[i]] + part[i]·small[high[i]].
template <class S>
struct Axis {
  std::vector<int64_t> low, high;
  std::vector<S> part;
  Axis(int64_t small, int64_t large) : low(large), high(large), part(large) {
    const double scale = large > 1 ? double(small - 1) / double(large - 1) : 0;
    for (int64_t i = 0; i < large; ++i) {
      low[i] = std::min(int64_t(double(i) * scale), small - 1);
      high[i] = std::min(low[i] + 1, small - 1);
      part[i] = S(double(i) * scale - double(low[i]));
    }
  }
};

struct Geometry {
  int64_t images, channels, small_height, small_width, height, width;
  /// Rows of the large map that are worth a second thread.
  int64_t grain() const { return std::max<int64_t>(1, at::internal::GRAIN_SIZE / std::max<int64_t>(1, width * channels * kSide)); }
};

template <class A, class B, class S>
inline void add_scaled(A* to, const B* from, S factor, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] += factor * widened(from[i]);
}

/// taps [B, h, w, 9, C], base and out [B, H, W, C]
template <class T>
void sum_up(const T* taps, const T* base, T* out, const Geometry& g) {
  using S = Wide<T>;
  const Axis<S> rows(g.small_height, g.height), columns(g.small_width, g.width);
  const int64_t triple = kSide * g.channels;
  at::parallel_for(0, g.images * g.height, g.grain(), [&](int64_t begin, int64_t end) {
    std::vector<S> mixed(size_t(g.small_width * triple)), sum(size_t(g.channels));  // [w, 3, C]: rows are done
    for (int64_t job = begin; job < end; ++job) {
      const int64_t image = job / g.height, y = job % g.height;
      std::fill(mixed.begin(), mixed.end(), S(0));
      for (int64_t ky = 0; ky < kSide; ++ky) {
        const int64_t r = y + ky - 1;
        if (r < 0 || r >= g.height) continue;  // the large map's zero padding
        for (int64_t x = 0; x < g.small_width; ++x) {
          const auto at = [&](int64_t row) { return taps + (((image * g.small_height + row) * g.small_width + x) * kSide + ky) * triple; };
          add_scaled(&mixed[x * triple], at(rows.low[r]), 1 - rows.part[r], triple);
          add_scaled(&mixed[x * triple], at(rows.high[r]), rows.part[r], triple);
        }
      }
      for (int64_t x = 0; x < g.width; ++x) {
        const int64_t pixel = (job * g.width + x) * g.channels;
        for (int64_t c = 0; c < g.channels; ++c) sum[c] = widened(base[pixel + c]);
        for (int64_t kx = 0; kx < kSide; ++kx) {
          const int64_t c = x + kx - 1;
          if (c < 0 || c >= g.width) continue;
          add_scaled(sum.data(), &mixed[(columns.low[c] * kSide + kx) * g.channels], 1 - columns.part[c], g.channels);
          add_scaled(sum.data(), &mixed[(columns.high[c] * kSide + kx) * g.channels], columns.part[c], g.channels);
        }
        for (int64_t c = 0; c < g.channels; ++c) narrowed(sum[c], out[pixel + c]);
      }
    }
  });
}

/// The transpose: large [B, H, W, C] to taps [B, h, w, 9, C]. Every sum is taken in one order, whatever the number of threads.
template <class T>
void spread(const T* large, T* taps, const Geometry& g) {
  using S = Wide<T>;
  const Axis<S> rows(g.small_height, g.height), columns(g.small_width, g.width);
  const int64_t triple = kSide * g.channels;
  std::vector<S> narrow(size_t(g.height * g.small_width * triple));  // [H, w, 3, C] of one image: columns are done
  for (int64_t image = 0; image < g.images; ++image) {
    at::parallel_for(0, g.height, g.grain(), [&](int64_t begin, int64_t end) {
      std::fill(narrow.begin() + begin * g.small_width * triple, narrow.begin() + end * g.small_width * triple, S(0));
      for (int64_t y = begin; y < end; ++y) {
        S* own = &narrow[y * g.small_width * triple];
        for (int64_t x = 0; x < g.width; ++x) {
          const T* pixel = large + ((image * g.height + y) * g.width + x) * g.channels;
          for (int64_t kx = 0; kx < kSide; ++kx) {
            const int64_t c = x + kx - 1;
            if (c < 0 || c >= g.width) continue;
            add_scaled(own + (columns.low[c] * kSide + kx) * g.channels, pixel, 1 - columns.part[c], g.channels);
            add_scaled(own + (columns.high[c] * kSide + kx) * g.channels, pixel, columns.part[c], g.channels);
          }
        }
      }
    });
    at::parallel_for(0, g.small_height, g.grain(), [&](int64_t begin, int64_t end) {
      std::vector<S> sum(size_t(g.small_width * triple));
      for (int64_t row = begin; row < end; ++row) {
        for (int64_t ky = 0; ky < kSide; ++ky) {
          std::fill(sum.begin(), sum.end(), S(0));
          for (int64_t r = 0; r < g.height; ++r) {
            const int64_t y = r - ky + 1;
            const S share = (rows.low[r] == row ? 1 - rows.part[r] : S(0)) + (rows.high[r] == row ? rows.part[r] : S(0));
            if (share == 0 || y < 0 || y >= g.height) continue;
            add_scaled(sum.data(), &narrow[y * g.small_width * triple], share, g.small_width * triple);
          }
          for (int64_t x = 0; x < g.small_width; ++x) {
            T* to = taps + (((image * g.small_height + row) * g.small_width + x) * kSide + ky) * triple;
            for (int64_t c = 0; c < triple; ++c) narrowed(sum[x * triple + c], to[c]);
          }
        }
      }
    });
  }
}

at::Tensor upsampled_taps_cpu(const at::Tensor& taps, const at::Tensor& base) {
  TORCH_CHECK(taps.dim() == 4 && base.dim() == 4 && taps.size(0) == base.size(0) && taps.size(1) == kTaps * base.size(1),
              "expected taps [B, 9·C, h, w] and base [B, C, H, W], got ", taps.sizes(), " and ", base.sizes());
  TORCH_CHECK(taps.scalar_type() == base.scalar_type(), "expected one dtype, got ", taps.scalar_type(), " and ", base.scalar_type());
  TORCH_CHECK(taps.size(2) > 0 && taps.size(3) > 0, "expected at least one pixel, got ", taps.sizes());
  const at::Tensor small = channels_last(taps), large = channels_last(base);
  at::Tensor out = at::empty(base.sizes(), base.options(), at::MemoryFormat::ChannelsLast);
  const Geometry g{base.size(0), base.size(1), taps.size(2), taps.size(3), base.size(2), base.size(3)};
  for_dtype(out, [&](auto zero) {
    using T = decltype(zero);
    sum_up(small.data_ptr<T>(), large.data_ptr<T>(), out.data_ptr<T>(), g);
  });
  return out;
}

at::Tensor upsampled_taps_gradient_cpu(const at::Tensor& gradient, int64_t height, int64_t width) {
  TORCH_CHECK(gradient.dim() == 4 && height > 0 && width > 0, "expected a gradient [B, C, H, W] and a size, got ", gradient.sizes());
  const at::Tensor large = channels_last(gradient);
  at::Tensor taps = at::empty({large.size(0), kTaps * large.size(1), height, width}, large.options(), at::MemoryFormat::ChannelsLast);
  const Geometry g{large.size(0), large.size(1), height, width, large.size(2), large.size(3)};
  for_dtype(taps, [&](auto zero) {
    using T = decltype(zero);
    spread(large.data_ptr<T>(), taps.data_ptr<T>(), g);
  });
  return taps;
}

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <class Signature>
auto typed(const char* name) { return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>(); }

at::Tensor call_forward(const at::Tensor& taps, const at::Tensor& base) {
  static auto op = typed<at::Tensor(const at::Tensor&, const at::Tensor&)>("csrm::upsampled_taps");
  return op.call(taps, base);
}
at::Tensor call_gradient(const at::Tensor& gradient, int64_t height, int64_t width) {
  static auto op = typed<at::Tensor(const at::Tensor&, int64_t, int64_t)>("csrm::upsampled_taps_gradient");
  return op.call(gradient, height, width);
}

struct UpsampledTaps : torch::autograd::Function<UpsampledTaps> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& taps, const at::Tensor& base) {
    context->saved_data["height"] = taps.size(2);
    context->saved_data["width"] = taps.size(3);
    at::AutoDispatchBelowADInplaceOrView below;
    return call_forward(taps, base);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    at::Tensor taps;
    if (context->needs_input_grad(0)) taps = call_gradient(gradients[0], context->saved_data["height"].toInt(), context->saved_data["width"].toInt());
    return {taps, gradients[0]};
  }
};

struct UpsampledTapsGradient : torch::autograd::Function<UpsampledTapsGradient> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gradient, int64_t height, int64_t width) {
    context->saved_data["sizes"] = gradient.sizes().vec();
    at::AutoDispatchBelowADInplaceOrView below;
    return call_gradient(gradient, height, width);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {call_forward(gradients[0], at::zeros(context->saved_data["sizes"].toIntVector(), gradients[0].options())), at::Tensor(), at::Tensor()};
  }
};

at::Tensor upsampled_taps_autograd(const at::Tensor& taps, const at::Tensor& base) { return UpsampledTaps::apply(taps, base); }
at::Tensor upsampled_taps_gradient_autograd(const at::Tensor& gradient, int64_t height, int64_t width) {
  return UpsampledTapsGradient::apply(gradient, height, width);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(csrm, m) {
  m.def("upsampled_taps(Tensor taps, Tensor base) -> Tensor");
  m.def("upsampled_taps_gradient(Tensor gradient, int height, int width) -> Tensor");
}
TORCH_LIBRARY_IMPL(csrm, CPU, m) {
  m.impl("upsampled_taps", upsampled_taps_cpu);
  m.impl("upsampled_taps_gradient", upsampled_taps_gradient_cpu);
}
TORCH_LIBRARY_IMPL(csrm, Autograd, m) {
  m.impl("upsampled_taps", upsampled_taps_autograd);
  m.impl("upsampled_taps_gradient", upsampled_taps_gradient_autograd);
}
