// One text for GPUs and CPUs: what kernels take from CUDA, and the same for a CPU, which runs them one thread after the other so that tests
// need no GPU. A file of kernels is KERNELS(...) without preprocessor directives, included twice: with KERNELS as its text (for kPrelude
// and driver.cc) and as its code.
#pragma once
// As on GPUs, products and sums round one by one.
#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#include <ATen/ATen.h>

#include <cmath>
#include <utility>

#include "../kernels/numbers.h"
#include "driver.h"
#include "prelude.h"

namespace csrm::cuda {

// The same words for a CPU.
#define DEVICE inline
#define KERNEL inline void
#define THREAD current_thread
using int64 = int64_t;
using uint64 = uint64_t;
using bfloat16 = at::BFloat16;
using float16 = at::Half;
inline thread_local int64 current_thread = 0;
inline float inverse_root(float value) { return 1 / std::sqrt(value); }
inline uint64 exchange_if(uint64* place, uint64 expected, uint64 wanted) { return *place == expected ? std::exchange(*place, wanted) : *place; }
template <class T>
T add_to(T* place, T value) {
  return std::exchange(*place, *place + value);
}
struct Run {
  explicit Run(int) {}
  bool first() const { return true; }
  float sum(float value) const { return value; }
};

/// Runs a kernel of a program on at least `threads` threads of the device.
template <class... Parameters>
void run(const char* program, const char* name, void (*kernel)(Parameters...), const at::Device& device, int64_t threads,
         std::decay_t<Parameters>... arguments) {
  if (device.is_cpu()) {
    for (current_thread = 0; current_thread < threads; current_thread++) kernel(arguments...);
  } else {
    void* pointers[] = {&arguments...};
    launch(program, name, device, threads, pointers);
  }
}

}  // namespace csrm::cuda
