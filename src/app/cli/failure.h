// How the commands that ask a running instance fail: with one line for whoever typed them.
#pragma once

#include <stdexcept>

namespace sluice::app::cli {

// Nothing more can be done: no answer, or one that makes no sense.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The instance did not do what it was asked; the next question may fare better.
struct Refusal : Failure {
  using Failure::Failure;
};

}  // namespace sluice::app::cli
