#include "driver.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "prelude.h"

namespace csrm::cuda {

namespace {

constexpr unsigned kBlock = 256;
// Two of the driver's device attributes.
constexpr int kComputeMajor = 75, kComputeMinor = 76;

/// The few functions that are needed, declared as in cuda.h and nvrtc.h.
struct Api {
  int (*nvrtcCreateProgram)(void** program, const char* source, const char* name, int headers, const char* const*, const char* const*);
  int (*nvrtcCompileProgram)(void* program, int count, const char* const* options);
  int (*nvrtcDestroyProgram)(void** program);
  int (*nvrtcGetProgramLogSize)(void* program, size_t* size);
  int (*nvrtcGetProgramLog)(void* program, char* log);
  int (*nvrtcGetCUBINSize)(void* program, size_t* size);
  int (*nvrtcGetCUBIN)(void* program, char* binary);
  int (*cuInit)(unsigned flags);
  int (*cuDeviceGet)(int* device, int ordinal);
  int (*cuDeviceGetAttribute)(int* value, int attribute, int device);
  int (*cuDevicePrimaryCtxRetain)(void** context, int device);
  int (*cuCtxPushCurrent_v2)(void* context);
  int (*cuCtxPopCurrent_v2)(void** context);
  int (*cuModuleLoadData)(void** module, const void* image);
  int (*cuModuleGetFunction)(void** function, void* module, const char* name);
  int (*cuLaunchKernel)(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                        void* stream, void** parameters, void** extra);
  int (*cuGetErrorString)(int error, const char** text);
  bool complete = false;
};

/// libtorch's own library around NVRTC knows which version belongs to it and where it lies; the others are for builds without it.
Api load() {
  Api api;
  std::vector<void*> libraries;
  for (const char* name : {"libcaffe2_nvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so", "libcuda.so.1"}) {
    if (void* library = dlopen(name, RTLD_LAZY | RTLD_LOCAL)) libraries.push_back(library);
  }
  bool complete = true;
  const auto find = [&](auto& function, const char* name) {
    void* symbol = nullptr;
    for (void* library : libraries) {
      if ((symbol = dlsym(library, name))) break;
    }
    function = reinterpret_cast<std::decay_t<decltype(function)>>(symbol);
    complete = complete && symbol;
  };
#define FIND(name) find(api.name, #name)
  FIND(nvrtcCreateProgram), FIND(nvrtcCompileProgram), FIND(nvrtcDestroyProgram), FIND(nvrtcGetProgramLogSize), FIND(nvrtcGetProgramLog);
  FIND(nvrtcGetCUBINSize), FIND(nvrtcGetCUBIN), FIND(cuInit), FIND(cuDeviceGet), FIND(cuDeviceGetAttribute), FIND(cuDevicePrimaryCtxRetain);
  FIND(cuCtxPushCurrent_v2), FIND(cuCtxPopCurrent_v2), FIND(cuModuleLoadData), FIND(cuModuleGetFunction);
  FIND(cuLaunchKernel), FIND(cuGetErrorString);
#undef FIND
  api.complete = complete;
  return api;
}

const Api& api() {
  static const Api loaded = load();
  return loaded;
}

void check(int error, const char* what) {
  if (error == 0) return;
  const char* text = nullptr;
  api().cuGetErrorString(error, &text);
  TORCH_CHECK(false, what, ": ", text ? text : "CUDA error", " (", error, ")");
}

/// A GPU's primary context, the one that libtorch works in, current as long as this lives.
class Current {
 public:
  explicit Current(int ordinal) {
    static std::mutex mutex;
    static std::map<int, void*> contexts;
    const std::lock_guard<std::mutex> lock(mutex);
    void*& context = contexts[ordinal];
    if (!context) {
      int device = 0;
      check(api().cuInit(0), "cuInit");
      check(api().cuDeviceGet(&device, ordinal), "cuDeviceGet");
      check(api().cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
    }
    check(api().cuCtxPushCurrent_v2(context), "cuCtxPushCurrent");
  }
  ~Current() {
    void* context = nullptr;
    api().cuCtxPopCurrent_v2(&context);
  }
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;
};

std::string compile(const char* text, int ordinal) {
  int device = 0, major = 0, minor = 0;
  check(api().cuDeviceGet(&device, ordinal), "cuDeviceGet");
  check(api().cuDeviceGetAttribute(&major, kComputeMajor, device), "cuDeviceGetAttribute");
  check(api().cuDeviceGetAttribute(&minor, kComputeMinor, device), "cuDeviceGetAttribute");
  const std::string architecture = "--gpu-architecture=sm_" + std::to_string(major * 10 + minor);
  // Products and sums round one by one, as in tensor operators.
  const char* options[] = {architecture.c_str(), "--fmad=false"};
  void* program = nullptr;
  TORCH_CHECK(api().nvrtcCreateProgram(&program, text, "csrm.cu", 0, nullptr, nullptr) == 0, "NVRTC takes no program");
  const int error = api().nvrtcCompileProgram(program, 2, options);
  std::string log, binary;
  size_t size = 0;
  if (error != 0 && api().nvrtcGetProgramLogSize(program, &size) == 0) log.resize(size), api().nvrtcGetProgramLog(program, log.data());
  if (error == 0 && api().nvrtcGetCUBINSize(program, &size) == 0) binary.resize(size), api().nvrtcGetCUBIN(program, binary.data());
  api().nvrtcDestroyProgram(&program);
  TORCH_CHECK(!binary.empty(), "NVRTC cannot compile for ", architecture, " (error ", error, "): ", log);
  return binary;
}

/// A kernel of a program, which is compiled and loaded once a GPU. The GPU's context must be current.
void* function(const char* program, const char* kernel, int device) {
  static std::mutex mutex;
  static std::map<std::pair<const char*, int>, void*> modules;
  static std::map<std::tuple<const char*, std::string, int>, void*> functions;
  const std::lock_guard<std::mutex> lock(mutex);
  void*& found = functions[{program, kernel, device}];
  if (!found) {
    void*& module = modules[{program, device}];
    if (!module) check(api().cuModuleLoadData(&module, compile(program, device).data()), "cuModuleLoadData");
    check(api().cuModuleGetFunction(&found, module, kernel), kernel);
  }
  return found;
}

}  // namespace

std::string why_not(int device) {
  static std::mutex mutex;
  static std::map<int, std::string> known;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto there = known.find(device);
  if (there != known.end()) return there->second;
  std::string reason;
  if (!api().complete) {
    reason = "NVRTC, CUDA's compiler, and the driver cannot be loaded";
  } else {
    try {
      const Current current(device);
      // What all programs begin with, which may be too much for a GPU or for a compiler that does not know it.
      static const std::string trial = std::string(kPrelude) + "KERNEL trial() {}\n";
      function(trial.c_str(), "trial", device);
    } catch (const c10::Error& error) {
      reason = error.what_without_backtrace();
    }
  }
  return known[device] = reason;
}

void launch(const char* program, const char* kernel, const at::Device& device, int64_t threads, void** arguments) {
  if (threads == 0) return;
  TORCH_CHECK(api().complete, "NVRTC, CUDA's compiler, and the driver cannot be loaded");
  const c10::impl::VirtualGuardImpl streams(device.type());
  TORCH_CHECK(streams.getStream(device).id() == 0, "expected CUDA's default stream");
  const int64_t blocks = (threads + kBlock - 1) / kBlock;
  TORCH_CHECK(blocks <= INT32_MAX, "expected fewer points than ", threads);
  const Current current(device.index());
  void* compiled = function(program, kernel, device.index());
  check(api().cuLaunchKernel(compiled, unsigned(blocks), 1, 1, kBlock, 1, 1, 0, nullptr, arguments, nullptr), kernel);
}

}  // namespace csrm::cuda
