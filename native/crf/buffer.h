// Uninitialised arrays that outlive one use, and the interface through which the core runs in parallel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>

namespace csrm {

using LoopBody = std::function<void(int64_t begin, int64_t end)>;

/// Calls body on disjoint ranges of at least `grain` that cover [0, n), on one thread or several.
using ParallelFor = std::function<void(int64_t n, int64_t grain, const LoopBody& body)>;

/// Fewer vertices or slots than this are not worth another thread.
constexpr int64_t kRowGrain = 4096;

/// Untyped memory that grows and never shrinks, so that one image after another uses the same. Contents are undefined
/// after reserve.
class Memory {
 public:
  void* reserve(size_t bytes) {
    if (bytes > capacity_) {
      constexpr size_t kLine = 64;
      const size_t whole = (bytes + kLine - 1) / kLine * kLine;
      data_.reset();
      capacity_ = 0;
      data_.reset(std::aligned_alloc(kLine, whole));
      if (!data_) throw std::bad_alloc();
      capacity_ = whole;
    }
    return data_.get();
  }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> data_;
  size_t capacity_ = 0;
};

/// An array in such memory.
template <class T>
class Buffer {
  static_assert(std::is_trivially_default_constructible_v<T> && std::is_trivially_destructible_v<T>);

 public:
  T* resize(size_t size) { return data_ = static_cast<T*>(memory_.reserve(size * sizeof(T))); }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  Memory memory_;
  T* data_ = nullptr;
};

}  // namespace csrm
