#pragma once

#include <string>
#include <vector>

#include "config.h"

namespace arxiv {

// What this process can compute on, the CPU first. A precision is listed where the hardware has it, never
// emulated.
std::vector<DeviceInfo> devices();

bool cpu_has_bf16();

// The LibTorch that is loaded, and the one this file was compiled against.
std::string loaded_version();
std::string built_version();

// Called once, before LibTorch first allocates.
void configure_process();

// Gives back to the system what configure_process() lets the process keep.
void return_free_memory();

}  // namespace arxiv
