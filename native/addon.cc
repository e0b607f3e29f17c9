// The export table; src/native.ts states it in types.
#include "addon.h"

#include "devices.h"
#include "marshal.h"
#include "model_handle.h"

namespace {

using namespace arxiv;

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  configure_process();
  auto* environment = new Environment(env);
  env.SetInstanceData(environment);
  environment->model_constructor = Napi::Persistent(define_model_class(env));

  exports.Set("libtorchVersion", loaded_version());
  exports.Set("builtWith", built_version());
  exports.Set("devices", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return from_devices(info.Env(), devices());
              }));
  exports.Set("createModel", Napi::Function::New(env, create_model));
  exports.Set("shutdown", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                Engine::instance().shutdown();
                Environment::of(info.Env()).reject_all();
              }));
  return exports;
}

}  // namespace

NODE_API_MODULE(arxiv_native, initialize)
