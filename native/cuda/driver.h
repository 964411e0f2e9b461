// Kernels that are compiled where they run: NVRTC and the driver come with every libtorch for CUDA, so neither nvcc nor CUDA's headers
// are needed to build csrm.
#pragma once
#include <ATen/ATen.h>

#include <string>

namespace csrm::cuda {

/// Why no kernel can be compiled for a GPU; empty where one can. Tried once for each.
std::string why_not(int device);

/// Runs a kernel on at least `threads` threads of the tensors' device; `arguments` points to its parameters. The program's text, which must
/// be of static storage, is compiled once for each device.
/// @throws c10::Error with the compiler's or the driver's words
void launch(const char* program, const char* kernel, const at::Device& device, int64_t threads, void** arguments);

}  // namespace csrm::cuda
