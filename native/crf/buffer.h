// Uninitialised arrays that outlive one use, and the interface through which the core runs in parallel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace csrm {

using LoopBody = std::function<void(int64_t begin, int64_t end)>;

/// Calls body on disjoint ranges of at least `grain` that cover [0, n), on one thread or several.
using ParallelFor = std::function<void(int64_t n, int64_t grain, const LoopBody& body)>;

/// Fewer vertices or slots than this are not worth another thread.
constexpr int64_t kRowGrain = 4096;

/// Storage that grows and never shrinks, so that the images of a batch reuse one allocation. Contents are undefined
/// after resize. Large arrays ask for huge pages: first touch of 4 KiB pages cost a sixth of a whole run.
template <class T>
class Buffer {
  static_assert(std::is_trivially_default_constructible_v<T> && std::is_trivially_destructible_v<T>);

 public:
  T* resize(size_t size) {
    if (size > capacity_) {
      constexpr size_t kLine = 64, kHugePage = size_t(1) << 21;
      data_.reset();
      capacity_ = 0;
      const bool huge = size * sizeof(T) >= kHugePage;
      const size_t align = huge ? kHugePage : kLine;
      const size_t bytes = (size * sizeof(T) + align - 1) / align * align;
      void* memory = std::aligned_alloc(align, bytes);
      if (!memory) throw std::bad_alloc();
#ifdef __linux__
      if (huge) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
      data_.reset(static_cast<T*>(memory));
      capacity_ = size;
    }
    return data_.get();
  }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  struct Free {
    void operator()(T* memory) const { std::free(memory); }
  };
  std::unique_ptr<T[], Free> data_;
  size_t capacity_ = 0;
};

}  // namespace csrm
