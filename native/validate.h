#pragma once

#include "config.h"

namespace arxiv {

// Throws BAD_OPTION, naming the field, for what LibTorch would crash on, misread or report late.
void validate(const ModelOptions& options);

}  // namespace arxiv
