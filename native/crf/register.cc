// The dense CRF as operators csrm::dense_crf and csrm::dense_crf_labels: checks tensors and hands images to engines.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "batch.h"
#include "dense_crf.h"

namespace csrm {

namespace {

constexpr int64_t kMostUnaries = 1024;
constexpr int kMostLabels = 256;  // labels of the result are bytes
/// Differences of two energies must stay finite, and nothing sensible is larger.
constexpr float kMostEnergy = 1e30f;

CrfParams checked(double gaussian_sxy, double gaussian_compat, double bilateral_sxy, double bilateral_srgb,
                  double bilateral_compat, int64_t iterations) {
  const auto positive = [](const char* name, double value) {
    TORCH_CHECK(value >= 1e-6 && value <= 1e9, "expected ", name, " in 1e-6..1e9, got ", value);
    return float(value);
  };
  const auto weight = [](const char* name, double value) {
    TORCH_CHECK(value >= 0 && value <= 1e6, "expected ", name, " in 0..1e6, got ", value);
    return float(value);
  };
  TORCH_CHECK(iterations >= 0, "expected iterations of at least 0, got ", iterations);
  return {positive("gaussian_sxy", gaussian_sxy),
          weight("gaussian_compat", gaussian_compat),
          positive("bilateral_sxy", bilateral_sxy),
          positive("bilateral_srgb", bilateral_srgb),
          weight("bilateral_compat", bilateral_compat),
          iterations};
}

at::Tensor dense_crf(const at::Tensor& images_in, const at::Tensor& unary_in, const at::Tensor& n_labels,
                     double gaussian_sxy, double gaussian_compat, double bilateral_sxy, double bilateral_srgb,
                     double bilateral_compat, int64_t iterations) {
  const CrfParams params =
      checked(gaussian_sxy, gaussian_compat, bilateral_sxy, bilateral_srgb, bilateral_compat, iterations);
  const at::Tensor image_bytes = images_in.contiguous(), unary = unary_in.contiguous(), counts = n_labels.contiguous();
  TORCH_CHECK(unary.scalar_type() == at::kFloat, "expected float32 unary, got ", unary.scalar_type());
  TORCH_CHECK(unary.dim() == 5, "expected unary [B, U, L, H, W], got ", unary.sizes());
  const Images images(image_bytes, unary, "unary");
  const int64_t unaries = unary.size(1), labels = unary.size(2), pixels = images.height * images.width;
  TORCH_CHECK(unaries <= kMostUnaries, "expected at most ", kMostUnaries, " unaries an image, got ", unaries);
  TORCH_CHECK(labels >= 1 && labels <= kMostLabels, "expected 1..", kMostLabels, " labels, got ", labels);
  TORCH_CHECK(counts.scalar_type() == at::kLong && counts.dim() == 1 && counts.size(0) == images.count,
              "expected int64 n_labels [", images.count, "], got ", counts.scalar_type(), " ", counts.sizes());
  const int64_t* count = counts.data_ptr<int64_t>();
  for (int64_t b = 0; b < images.count; b++)
    TORCH_CHECK(count[b] >= 1 && count[b] <= labels, "expected n_labels[", b, "] in 1..", labels, ", got ", count[b]);
  at::Tensor q = at::zeros_like(unary);
  if (q.numel() == 0) return q;
  const float* energies = unary.data_ptr<float>();
  float* result = q.data_ptr<float>();
  for_each_image(images, params, [&](CrfEngine& engine, int64_t b, const ParallelFor& parallel) {
    for (int64_t u = 0; u < unaries; u++) {
      const float* first = energies + (b * unaries + u) * labels * pixels;
      const float* end = first + count[b] * pixels;
      const float* odd = std::find_if_not(first, end, [](float energy) { return std::fabs(energy) <= kMostEnergy; });
      TORCH_CHECK(odd == end, "expected unary energies within +-", kMostEnergy, ", got ", *odd,
                  " in image ", b, ", unary ", u, ", label ", (odd - first) / pixels);
    }
    CrfUnaries in;
    in.count = int(unaries), in.labels = int(count[b]), in.rows = int(labels);
    in.energies = energies + b * unaries * labels * pixels;
    CrfOutput out;
    out.q = result + b * unaries * labels * pixels;
    engine.run(images.data + b * pixels * 3, in, out, parallel);
  });
  return q;
}

/// The classes of one image: which ids its labels have, and their numbers from 0.
struct Classes {
  std::vector<uint8_t> ids;
  std::array<int16_t, kMostLabels> numbers;

  Classes(const int64_t* row, int64_t columns, int64_t image) {
    numbers.fill(-1);
    for (int64_t k = 0; k < columns && row[k] != -1; k++) {
      TORCH_CHECK(row[k] >= 0 && row[k] < kMostLabels, "expected class ids in 0..", kMostLabels - 1, ", got ", row[k],
                  " for image ", image);
      TORCH_CHECK(numbers[size_t(row[k])] < 0, "expected distinct class ids, got ", row[k], " twice for image ", image);
      numbers[size_t(row[k])] = int16_t(ids.size());
      ids.push_back(uint8_t(row[k]));
    }
    TORCH_CHECK(!ids.empty(), "expected at least one class for image ", image, ", got none");
  }
};

at::Tensor dense_crf_labels(const at::Tensor& images_in, const at::Tensor& labels_in, const at::Tensor& classes_in,
                            double gt_prob, double gaussian_sxy, double gaussian_compat, double bilateral_sxy,
                            double bilateral_srgb, double bilateral_compat, int64_t iterations) {
  const CrfParams params =
      checked(gaussian_sxy, gaussian_compat, bilateral_sxy, bilateral_srgb, bilateral_compat, iterations);
  TORCH_CHECK(gt_prob > 0 && gt_prob < 1, "expected gt_prob between 0 and 1, got ", gt_prob);
  const at::Tensor image_bytes = images_in.contiguous(), labels = labels_in.contiguous(), classes = classes_in.contiguous();
  TORCH_CHECK(labels.scalar_type() == at::kByte, "expected uint8 labels, got ", labels.scalar_type());
  TORCH_CHECK(labels.dim() == 4, "expected labels [B, U, H, W], got ", labels.sizes());
  const Images images(image_bytes, labels, "labels");
  const int64_t unaries = labels.size(1), pixels = images.height * images.width;
  TORCH_CHECK(unaries <= kMostUnaries, "expected at most ", kMostUnaries, " labelings an image, got ", unaries);
  TORCH_CHECK(classes.scalar_type() == at::kLong && classes.dim() == 2 && classes.size(0) == images.count,
              "expected int64 classes [", images.count, ", K], got ", classes.scalar_type(), " ", classes.sizes());
  const int64_t columns = classes.size(1);
  at::Tensor result = at::empty_like(labels);
  if (result.numel() == 0) return result;
  const uint8_t* given = labels.data_ptr<uint8_t>();
  const int64_t* rows = classes.data_ptr<int64_t>();
  uint8_t* refined = result.data_ptr<uint8_t>();
  for_each_image(images, params, [&](CrfEngine& engine, int64_t b, const ParallelFor& parallel) {
    const Classes own(rows + b * columns, columns, b);
    std::vector<uint8_t> numbers(size_t(unaries * pixels));
    for (size_t i = 0; i < numbers.size(); i++) {
      const uint8_t id = given[size_t(b) * numbers.size() + i];
      TORCH_CHECK(own.numbers[id] >= 0, "expected labels among the classes of image ", b, ", got ", int(id),
                  " in labeling ", int64_t(i) / pixels);
      numbers[i] = uint8_t(own.numbers[id]);
    }
    CrfUnaries in;
    in.count = int(unaries), in.labels = in.rows = int(own.ids.size());
    in.labelings = numbers.data();
    in.boost = in.labels > 1 ? -std::log(float((1 - gt_prob) / (in.labels - 1))) + std::log(float(gt_prob)) : 0.0f;
    CrfOutput out;
    out.argmax = refined + b * unaries * pixels;
    engine.run(images.data + b * pixels * 3, in, out, parallel);
    for (int64_t i = 0; i < unaries * pixels; i++) out.argmax[i] = own.ids[out.argmax[i]];
  });
  return result;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(csrm, m) {
  // images [B, H, W, 3] uint8; unary [B, U, L, H, W] energies; n_labels [B], how many of the L take part. Returns Q.
  m.def("dense_crf(Tensor images, Tensor unary, Tensor n_labels, float gaussian_sxy, float gaussian_compat, "
        "float bilateral_sxy, float bilateral_srgb, float bilateral_compat, int iterations) -> Tensor");
  // labels [B, U, H, W] uint8 class ids; classes [B, K] the ids that take part, ended by -1. Returns refined labels.
  m.def("dense_crf_labels(Tensor images, Tensor labels, Tensor classes, float gt_prob, float gaussian_sxy, "
        "float gaussian_compat, float bilateral_sxy, float bilateral_srgb, float bilateral_compat, int iterations) "
        "-> Tensor");
}

TORCH_LIBRARY_IMPL(csrm, CPU, m) {
  m.impl("dense_crf", &dense_crf);
  m.impl("dense_crf_labels", &dense_crf_labels);
}

}  // namespace csrm
