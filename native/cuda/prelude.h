// What kernels take from CUDA, in its own words; program.h has the same for a CPU.
#pragma once

namespace csrm::cuda {

inline const char* const kPrelude = R"(
#define DEVICE __device__
#define KERNEL extern "C" __global__ void
#define THREAD ((int64)blockIdx.x * blockDim.x + threadIdx.x)
typedef long long int64;
typedef unsigned long long uint64;
struct bfloat16 { unsigned short bits; };
struct float16 { unsigned short bits; };
__device__ float widened(float value) { return value; }
__device__ float widened(float16 value) {
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
  return wide;
}
__device__ void narrowed(float value, float16& to) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to.bits) : "f"(value)); }
__device__ float widened(bfloat16 value) { return __uint_as_float((unsigned)value.bits << 16); }
__device__ void narrowed(float value, float& to) { to = value; }
__device__ void narrowed(float value, bfloat16& to) {
  const unsigned bits = __float_as_uint(value);
  to.bits = (bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0 : (unsigned short)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
__device__ float inverse_root(float value) { return rsqrtf(value); }
__device__ uint64 exchange_if(uint64* place, uint64 expected, uint64 wanted) { return atomicCAS(place, expected, wanted); }
__device__ int add_to(int* place, int value) { return atomicAdd(place, value); }
__device__ float add_to(float* place, float value) { return atomicAdd(place, value); }
__device__ double add_to(double* place, double value) { return atomicAdd(place, value); }
// Neighbouring threads of a warp with the same id; all threads of the warp must take part.
struct Run {
  unsigned heads;
  int lane, left;
  __device__ explicit Run(int id) {
    lane = threadIdx.x % 32;
    const int before = __shfl_up_sync(0xffffffffu, id, 1);
    heads = __ballot_sync(0xffffffffu, lane == 0 || before != id);
    const unsigned later = lane == 31 ? 0 : heads >> (lane + 1);
    left = later ? __ffs(later) : 32 - lane;
  }
  __device__ bool first() const { return heads >> lane & 1; }
  // Of the threads from this one on to the run's last.
  __device__ float sum(float value) const {
    for (int reach = 1; reach < 32; reach *= 2) {
      const float other = __shfl_down_sync(0xffffffffu, value, reach);
      if (reach < left) value += other;
    }
    return value;
  }
};
)";

}  // namespace csrm::cuda
