#include "model_handle.h"

#include "addon.h"
#include "marshal.h"
#include "model.h"
#include "validate.h"

namespace arxiv {
namespace {

using Shared = std::shared_ptr<Model>;

class ModelHandle : public Napi::ObjectWrap<ModelHandle> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "EngineModel",
        {InstanceMethod<&ModelHandle::parameters>("parameters"),
         InstanceMethod<&ModelHandle::predict>("predict"),
         InstanceMethod<&ModelHandle::train_step>("trainStep"),
         InstanceMethod<&ModelHandle::backward>("backward"),
         InstanceMethod<&ModelHandle::pretrain>("pretrain"), InstanceMethod<&ModelHandle::read>("read"),
         InstanceMethod<&ModelHandle::save>("save"), InstanceMethod<&ModelHandle::load>("load"),
         InstanceMethod<&ModelHandle::dispose>("dispose")});
  }

  explicit ModelHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ModelHandle>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
      throw Napi::TypeError::New(info.Env(), "models come from createModel");
    }
    model_ = *info[0].As<Napi::External<Shared>>().Data();
  }

  void Finalize(Napi::BasicEnv) override { release(); }

 private:
  // Tensors die on the engine thread, after the jobs that use them.
  void release() {
    if (model_) Engine::instance().submit(nullptr, [model = std::move(model_)] {});
    model_.reset();
  }

  const Shared& model(Napi::Env env) const {
    if (!model_) throw make_error(env, "CANCELLED", "the model was disposed of");
    return model_;
  }

  Napi::Value parameters(const Napi::CallbackInfo& info) {
    return from_parameters(info.Env(), model(info.Env())->parameters());
  }

  Napi::Value predict(const Napi::CallbackInfo& info) {
    return Environment::of(info.Env())
        .submit<std::vector<float>>([model = model(info.Env()), batch = to_packed_batch(info[0])](
                                        const Cancellation& c) { return model->predict(batch, c); },
                                    from_floats, info[1]);
  }

  Napi::Value train_step(const Napi::CallbackInfo& info) { return step(info, true, info[1]); }
  Napi::Value backward(const Napi::CallbackInfo& info) { return step(info, false, info.Env().Undefined()); }

  Napi::Value step(const Napi::CallbackInfo& info, bool apply, Napi::Value cancel) {
    return Environment::of(info.Env())
        .submit<StepResult>([model = model(info.Env()), batch = to_train_batch(info[0]),
                             apply](const Cancellation& c) { return model->train_step(batch, apply, c); },
                            from_step_result, cancel);
  }

  Napi::Value pretrain(const Napi::CallbackInfo& info) {
    std::string kind = info[0].ToString();
    auto purpose = kind == "step"        ? Model::Purpose::kStep
                   : kind == "gradients" ? Model::Purpose::kGradients
                                         : Model::Purpose::kEvaluate;
    return Environment::of(info.Env())
        .submit<PretrainResult>([model = model(info.Env()), batch = to_masked_batch(info[1]), purpose](
                                    const Cancellation& c) { return model->pretrain(batch, purpose, c); },
                                from_pretrain_result, info[2]);
  }

  Napi::Value read(const Napi::CallbackInfo& info) {
    return Environment::of(info.Env())
        .submit<std::vector<float>>(
            [model = model(info.Env()), kind = std::string(info[0].ToString()),
             name = std::string(info[1].ToString())](const Cancellation&) { return model->read(kind, name); },
            from_floats, info.Env().Undefined());
  }

  Napi::Value save(const Napi::CallbackInfo& info) {
    return nothing(info, [model = model(info.Env()), file = std::string(info[0].ToString()),
                          options = to_save_options(info[1])] { model->save(file, options); });
  }

  Napi::Value load(const Napi::CallbackInfo& info) {
    int64_t steps = info[1].IsUndefined() ? -1 : info[1].ToNumber().Int64Value();
    return nothing(info, [model = model(info.Env()), sources = to_tensor_sources(info[0]), steps] {
      model->load(sources, steps);
    });
  }

  Napi::Value nothing(const Napi::CallbackInfo& info, std::function<void()> work) {
    return Environment::of(info.Env())
        .submit<bool>(
            [work = std::move(work)](const Cancellation&) {
              work();
              return true;
            },
            [](Napi::Env env, bool&) { return env.Undefined(); }, info.Env().Undefined());
  }

  void dispose(const Napi::CallbackInfo&) { release(); }

  Shared model_;
};

}  // namespace

Napi::Function define_model_class(Napi::Env env) { return ModelHandle::define(env); }

Napi::Value create_model(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .submit<Shared>(
          [options = to_model_options(info[0])](const Cancellation& c) {
            validate(options);
            return std::make_shared<Model>(options, c);
          },
          [](Napi::Env env, Shared& model) -> Napi::Value {
            return Environment::of(env).model_constructor.New({Napi::External<Shared>::New(env, &model)});
          },
          info.Env().Undefined());
}

}  // namespace arxiv
