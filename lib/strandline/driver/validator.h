// Validator: what tells one version of a content from another, as HTTP's ETag does (RFC 9110, section 8.8).
// Threads, Blocks, Errors: a value. Cost: a string. Lifetime: owns its text.
#pragma once

#include <cstdint>
#include <string>

namespace strandline {

struct Validator {
  enum class Kind : std::uint8_t {
    none = 0,    // nothing tells
    strong = 1,  // of two equal ones every byte is the same
    weak = 2     // size and time of change, say: likely the same
  };
  Kind kind = Kind::none;
  std::string value;
  friend bool operator==(const Validator&, const Validator&) = default;
};

}  // namespace strandline
