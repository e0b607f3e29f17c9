// EngineModel of src/native.ts: a handle whose methods queue jobs on a Model.
#pragma once

#include <napi.h>

#include "config.h"

namespace arxiv {

Napi::Function define_model_class(Napi::Env env);
Napi::Value create_model(const Napi::CallbackInfo& info);

}  // namespace arxiv
