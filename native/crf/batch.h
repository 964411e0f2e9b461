// A batch of images on the threads there are: which engine runs which image, and on how many threads.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

#include "dense_crf.h"
#include "team.h"

namespace csrm {

/// The images of a call, checked: [B, H, W, 3] bytes, with which another tensor [B, ..., H, W] agrees.
struct Images {
  static constexpr int64_t kMostPixels = int64_t(1) << 27;
  const uint8_t* data;
  int64_t count, height, width;

  Images(const at::Tensor& images, const at::Tensor& per_image, const char* name) {
    TORCH_CHECK(images.scalar_type() == at::kByte, "expected uint8 images, got ", images.scalar_type());
    TORCH_CHECK(images.dim() == 4 && images.size(3) == 3, "expected images [B, H, W, 3], got ", images.sizes());
    count = images.size(0), height = images.size(1), width = images.size(2);
    TORCH_CHECK(height > 0 && width > 0, "expected images of at least one pixel, got ", height, " x ", width);
    TORCH_CHECK(height <= kMostPixels / width, "expected at most ", kMostPixels, " pixels an image, got ", height, " x ",
                width);
    TORCH_CHECK(per_image.size(0) == count && per_image.size(-2) == height && per_image.size(-1) == width, "expected ",
                name, " of ", count, " images of ", height, " x ", width, ", got ", per_image.sizes());
    data = images.data_ptr<uint8_t>();
  }
};

/// Engines wait here between calls, because memory touched for the first time costs a quarter of a run. Only what small
/// images need is kept (some 70 MiB each), and not more engines than threads.
class EngineShelf {
 public:
  static EngineShelf& get() {
    static auto* const shelf = new EngineShelf;  // never destroyed: a thread may still run when the process ends
    return *shelf;
  }

  std::unique_ptr<CrfEngine> take(const Images& images, const CrfParams& params) {
    std::unique_ptr<CrfEngine> engine;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      auto best = std::find_if(engines_.begin(), engines_.end(), [&](const auto& candidate) {
        return candidate->is_configured(int(images.height), int(images.width));
      });
      if (best == engines_.end() && !engines_.empty()) best = engines_.begin();
      if (best != engines_.end()) {
        engine = std::move(*best);
        engines_.erase(best);
      }
    }
    if (!engine) engine = std::make_unique<CrfEngine>();
    engine->configure(int(images.height), int(images.width), params);
    return engine;
  }

  void put(std::unique_ptr<CrfEngine> engine, const Images& images) {
    if (images.height * images.width > kKeptPixels) return;
    std::lock_guard<std::mutex> lock(mutex_);
    if (int64_t(engines_.size()) < at::get_num_threads()) engines_.push_back(std::move(engine));
  }

 private:
  static constexpr int64_t kKeptPixels = int64_t(1) << 19;
  std::mutex mutex_;
  std::vector<std::unique_ptr<CrfEngine>> engines_;
};

/// Runs body(engine, image, parallel) for all images: as many at once as there are threads, and what is left over one after
/// the other, with all threads on each. Results do not depend on which of the two happens.
template <class Body>
void for_each_image(const Images& images, const CrfParams& params, const Body& body) {
  Team team(at::in_parallel_region() ? 1 : at::get_num_threads());
  const ParallelFor alone = [](int64_t n, int64_t, const LoopBody& loop) { loop(0, n); };
  const ParallelFor together = [&](int64_t n, int64_t grain, const LoopBody& loop) { team.run(n, grain, loop); };
  const int64_t whole = images.count / team.size() * team.size();
  try {
    std::atomic<int64_t> next{0};
    const auto work = [&](int64_t end, const ParallelFor& parallel) {
      auto engine = EngineShelf::get().take(images, params);
      for (int64_t image; (image = next++) < end;) body(*engine, image, parallel);
      EngineShelf::get().put(std::move(engine), images);
    };
    team.run(std::min<int64_t>(whole, team.size()), 1, [&](int64_t begin, int64_t end) {
      for (; begin < end; begin++) work(whole, alone);
    });
    next = whole;
    if (whole < images.count) work(images.count, together);
  } catch (const std::invalid_argument& error) {
    TORCH_CHECK(false, error.what());
  } catch (const std::bad_alloc&) {
    TORCH_CHECK(false, "not enough memory for the dense CRF of ", images.count, " images of ", images.height, " x ",
                images.width);
  }
}

}  // namespace csrm
