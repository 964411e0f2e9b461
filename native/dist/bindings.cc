// What JavaScript can call of the process group: one group a process, and a reducer for each network that learns.
#include <torch/csrc/autograd/autograd.h>

#include "../src/convert.h"
#include "../src/errors.h"
#include "../src/exports.h"
#include "../src/handles.h"
#include "group.h"
#include "reducer.h"

namespace csrm {

namespace {

std::shared_ptr<dist::Group> the_group;
std::vector<std::shared_ptr<dist::Reducer>> reducers;

at::Tensor tensor_at(napi_env env, napi_value value) { return HandleTable::get().at(to_double(env, value)); }

napi_value handle_of(napi_env env, at::Tensor tensor) {
  napi_value result;
  napi_create_double(env, HandleTable::get().add(std::move(tensor)), &result);
  return result;
}

napi_value text(napi_env env, const std::string& value) {
  napi_value result;
  napi_create_string_utf8(env, value.data(), value.size(), &result);
  return result;
}

napi_value dist_backends(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    napi_value result;
    napi_create_array(env, &result);
    uint32_t i = 0;
    for (const std::string& name : dist::backends()) napi_set_element(env, result, i++, text(env, name));
    return result;
  });
}

// Joining waits for other machines, so it does that beside JavaScript's thread.
struct Joining {
  dist::Settings settings;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
  std::shared_ptr<dist::Group> group;
  std::string error;
};

void join(napi_env, void* data) {
  auto* joining = static_cast<Joining*>(data);
  try {
    joining->group = std::make_shared<dist::Group>(joining->settings);
  } catch (const c10::Error& error) {
    joining->error = error.what_without_backtrace();
  } catch (const std::exception& error) {
    joining->error = error.what();
  }
}

void joined(napi_env env, napi_status, void* data) {
  const std::unique_ptr<Joining> joining(static_cast<Joining*>(data));
  napi_value result;
  if (joining->group) {
    the_group = joining->group;
    napi_get_undefined(env, &result);
    napi_resolve_deferred(env, joining->deferred, result);
  } else {
    napi_create_error(env, nullptr, text(env, joining->error), &result);
    napi_reject_deferred(env, joining->deferred, result);
  }
  napi_delete_async_work(env, joining->work);
}

// distJoin(rank, size, host, port, joinSeconds, timeoutSeconds, interfaces, gpu or -1) -> promise
napi_value dist_join(napi_env env, napi_callback_info info) {
  Arguments<8> given(env, info);
  return guarded(env, [&]() -> napi_value {
    if (the_group) throw std::runtime_error("this process has joined a group already");
    auto joining = std::make_unique<Joining>();
    const auto milliseconds = [&](int i) { return std::chrono::milliseconds(static_cast<int64_t>(1000 * to_double(env, given[i]))); };
    dist::Settings& settings = joining->settings;
    settings.rank = static_cast<int>(to_double(env, given[0]));
    settings.size = static_cast<int>(to_double(env, given[1]));
    settings.host = to_string(env, given[2]);
    settings.port = static_cast<uint16_t>(to_double(env, given[3]));
    settings.join = milliseconds(4);
    settings.timeout = milliseconds(5);
    settings.interfaces = to_string(env, given[6]);
    settings.gpu = static_cast<int>(to_double(env, given[7]));
    napi_value promise;
    napi_create_promise(env, &joining->deferred, &promise);
    napi_create_async_work(env, nullptr, text(env, "csrm:join"), join, joined, joining.get(), &joining->work);
    napi_queue_async_work(env, joining->work);
    joining.release();
    return promise;
  });
}

// distLeave(): ends all connections and, of rank 0, the store
napi_value dist_leave(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    reducers.clear();
    if (the_group) the_group->disconnect();
    the_group.reset();
    return nullptr;
  });
}

// distDisconnect(): ends the connections to the others, which learn of it at once, but keeps the store
napi_value dist_disconnect(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    reducers.clear();
    dist::current()->disconnect();
    return nullptr;
  });
}

napi_value dist_set(napi_env env, napi_callback_info info) {
  Arguments<2> given(env, info);
  return guarded(env, [&]() -> napi_value {
    const std::string value = to_string(env, given[1]);
    dist::current()->store().set(to_string(env, given[0]), std::vector<uint8_t>(value.begin(), value.end()));
    return nullptr;
  });
}

// distGet(key) -> text, or null where nobody has set it yet
napi_value dist_get(napi_env env, napi_callback_info info) {
  Arguments<1> given(env, info);
  return guarded(env, [&]() -> napi_value {
    const std::string key = to_string(env, given[0]);
    napi_value none;
    napi_get_null(env, &none);
    if (!dist::current()->store().check({key})) return none;
    const auto value = dist::current()->store().get(key);
    return text(env, std::string(value.begin(), value.end()));
  });
}

// distSum(handle): in place
napi_value dist_sum(napi_env env, napi_callback_info info) {
  Arguments<1> given(env, info);
  return guarded(env, [&]() -> napi_value {
    dist::current()->sum(tensor_at(env, given[0]));
    return nullptr;
  });
}

// distBroadcast(handle, root): in place
napi_value dist_broadcast(napi_env env, napi_callback_info info) {
  Arguments<2> given(env, info);
  return guarded(env, [&]() -> napi_value {
    dist::current()->broadcast(tensor_at(env, given[0]), static_cast<int>(to_double(env, given[1])));
    return nullptr;
  });
}

// distGather(handle) -> handles, one a process
napi_value dist_gather(napi_env env, napi_callback_info info) {
  Arguments<1> given(env, info);
  return guarded(env, [&]() -> napi_value {
    napi_value result;
    napi_create_array(env, &result);
    uint32_t i = 0;
    for (at::Tensor& part : dist::current()->gather(tensor_at(env, given[0]))) napi_set_element(env, result, i++, handle_of(env, part));
    return result;
  });
}

// distWatch(lists of parameters, bucketBytes): a reducer for each list, in the place of those before
napi_value dist_watch(napi_env env, napi_callback_info info) {
  Arguments<2> given(env, info);
  return guarded(env, [&]() -> napi_value {
    reducers.clear();
    const auto length = [&](napi_value list) {
      uint32_t result = 0;
      napi_get_array_length(env, list, &result);
      return result;
    };
    const auto element = [&](napi_value list, uint32_t i) {
      napi_value value;
      napi_get_element(env, list, i, &value);
      return value;
    };
    for (uint32_t k = 0; k < length(given[0]); ++k) {
      const napi_value list = element(given[0], k);
      std::vector<at::Tensor> parameters;
      for (uint32_t i = 0; i < length(list); ++i) parameters.push_back(tensor_at(env, element(list, i)));
      reducers.push_back(dist::Reducer::create(dist::current(), std::move(parameters), static_cast<int64_t>(to_double(env, given[1]))));
    }
    return nullptr;
  });
}

// distBackward(total, place in distWatch's lists): backward where there is a graph, and the gradients of all processes summed
napi_value dist_backward(napi_env env, napi_callback_info info) {
  Arguments<2> given(env, info);
  return guarded(env, [&]() -> napi_value {
    const auto place = static_cast<size_t>(to_double(env, given[1]));
    if (place >= reducers.size()) throw std::runtime_error("no such parameters are watched");
    const at::Tensor total = tensor_at(env, given[0]);
    reducers[place]->begin();
    if (total.requires_grad()) torch::autograd::backward({total}, {});
    reducers[place]->finish();
    return nullptr;
  });
}

}  // namespace

std::shared_ptr<dist::Group> dist::current() {
  if (!the_group) throw std::runtime_error("this process has joined no group");
  return the_group;
}

const std::vector<Export>& dist_exports() {
  static const std::vector<Export> list = {{"distBackends", dist_backends},     {"distJoin", dist_join},           {"distLeave", dist_leave},
                                           {"distDisconnect", dist_disconnect}, {"distSet", dist_set},             {"distGet", dist_get},
                                           {"distSum", dist_sum},               {"distBroadcast", dist_broadcast}, {"distGather", dist_gather},
                                           {"distWatch", dist_watch},           {"distBackward", dist_backward}};
  return list;
}

}  // namespace csrm
