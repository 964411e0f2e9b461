// One guard around every function JavaScript can call: whatever C++ throws becomes a JavaScript error, never a crash.
#pragma once
#include <c10/util/Exception.h>
#include <node_api.h>

#include <exception>
#include <string>

namespace csrm {

inline napi_value throw_js(napi_env env, const std::string& message) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_error(env, nullptr, message.c_str());
  return nullptr;
}

// `describe` adds the operator and its arguments; it runs only when something went wrong.
template <class Body, class Describe>
napi_value guarded(napi_env env, Body body, Describe describe) {
  try {
    return body();
  } catch (const c10::Error& error) {
    return throw_js(env, describe(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return throw_js(env, describe(error.what()));
  } catch (...) {
    return throw_js(env, describe("unknown native error"));
  }
}

template <class Body>
napi_value guarded(napi_env env, Body body) {
  return guarded(env, body, [](const char* what) { return std::string(what); });
}

}  // namespace csrm
