// The lists of functions each file gives to JavaScript; addon.cc joins them.
#pragma once
#include <node_api.h>

#include <vector>

namespace csrm {

struct Export {
  const char* name;
  napi_callback function;
};

const std::vector<Export>& dispatch_exports();  // find an operator, list schemas
const std::vector<Export>& tensor_exports();    // properties, memory, release
const std::vector<Export>& autograd_exports();  // backward, grad, modes
const std::vector<Export>& runtime_exports();   // threads, seeds, autocast, versions
const std::vector<Export>& dist_exports();      // processes that train together (native/dist)

// The arguments of a call, at least as many as asked for (missing ones are undefined).
template <size_t N>
struct Arguments {
  napi_value values[N];
  void* data = nullptr;
  size_t count = N;
  Arguments(napi_env env, napi_callback_info info) { napi_get_cb_info(env, info, &count, values, nullptr, &data); }
  napi_value operator[](size_t i) const { return values[i]; }
};

}  // namespace csrm
