// EndToEndFields: those fields of a response that nobody here goes by, for whoever gets the object in the end: all but
// what is about the connection it came over (RFC 9110, section 7.6.1), or for the asker alone.
// Threads: values. Blocks: never. Errors: what is no field is left out, and so is what has no room in 8 KiB. Throws
// bad_alloc. Cost: a copy of the text. Lifetime: values.
#pragma once

#include <string>
#include <string_view>

namespace strandline::origin::http {

class EndToEndFields {
 public:
  // The value without blanks around it.
  void add(std::string_view name, std::string_view value);
  // Lines "Name: value\n", in the order in which they came, once all have.
  [[nodiscard]] std::string text() const;

 private:
  std::string lines_;
  std::string connection_;  // what Connection names
};

}  // namespace strandline::origin::http
