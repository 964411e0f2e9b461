// Everything that differs between the supported libtorch versions (1.13 up to the newest 2.x) lives in this one file.
#pragma once
#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/function_schema.h>
#include <ATen/core/jit_type.h>
#include <torch/csrc/api/include/torch/version.h>

#define CSRM_TORCH_AT_LEAST(major, minor) \
  (TORCH_VERSION_MAJOR > (major) || (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

namespace csrm::compat {

// 2.4 gave autocast one function for every device type; before it, CPU and CUDA had their own.
inline bool autocast_enabled(at::DeviceType device) {
#if CSRM_TORCH_AT_LEAST(2, 4)
  return at::autocast::is_autocast_enabled(device);
#else
  return device == at::kCUDA ? at::autocast::is_enabled() : at::autocast::is_cpu_enabled();
#endif
}

inline at::ScalarType autocast_dtype(at::DeviceType device) {
#if CSRM_TORCH_AT_LEAST(2, 4)
  return at::autocast::get_autocast_dtype(device);
#else
  return device == at::kCUDA ? at::autocast::get_autocast_gpu_dtype() : at::autocast::get_autocast_cpu_dtype();
#endif
}

inline void set_autocast(at::DeviceType device, bool enabled, at::ScalarType dtype) {
#if CSRM_TORCH_AT_LEAST(2, 4)
  at::autocast::set_autocast_enabled(device, enabled);
  at::autocast::set_autocast_dtype(device, dtype);
#else
  if (device == at::kCUDA) {
    at::autocast::set_enabled(enabled);
    at::autocast::set_autocast_gpu_dtype(dtype);
  } else {
    at::autocast::set_cpu_enabled(enabled);
    at::autocast::set_autocast_cpu_dtype(dtype);
  }
#endif
}

// Symbolic integers are plain integers at this door.
inline bool is_int_type(const c10::Type& type) {
  return type.kind() == c10::TypeKind::SymIntType || type.kind() == c10::TypeKind::IntType;
}

// dtype, layout and memory format are integers to the dispatcher but have types of their own in the schema text.
inline const c10::Type& declared_type(const c10::Argument& argument) { return *argument.real_type(); }

}  // namespace csrm::compat
