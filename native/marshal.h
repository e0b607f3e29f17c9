// JavaScript values to the plain structs of config.h, and back. Throws a TypeError that names the field.
#pragma once

#include <napi.h>

#include "config.h"

namespace arxiv {

ModelOptions to_model_options(Napi::Value value);
PackedBatch to_packed_batch(Napi::Value value);
TrainBatch to_train_batch(Napi::Value value);
MaskedBatch to_masked_batch(Napi::Value value);
std::vector<TensorSource> to_tensor_sources(Napi::Value value);
SaveOptions to_save_options(Napi::Value value);

Napi::Value from_floats(Napi::Env env, const std::vector<float>& values);
Napi::Value from_step_result(Napi::Env env, const StepResult& result);
Napi::Value from_pretrain_result(Napi::Env env, const PretrainResult& result);
Napi::Value from_parameters(Napi::Env env, const std::vector<ParameterInfo>& parameters);
Napi::Value from_devices(Napi::Env env, const std::vector<DeviceInfo>& devices);

}  // namespace arxiv
