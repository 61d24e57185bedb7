// HttpHead: what the header of an HTTP response says, word for word; and how the numbers in it are read.
// Threads: values. Blocks: never. Errors: what is no number, or no range, is none; a header that says two things of
// what can be only one is `contradictory`, one with a field of several lines (RFC 9112, section 5.2) `folded`. Whether
// to believe any of it is judged elsewhere. Cost: small strings. Lifetime: values.
#pragma once

#include <strandline/origin/origin.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace strandline::origin::http {

// Those fields of a response that nobody here goes by, for whoever gets the object in the end: all but what is about
// the connection it came over (RFC 9110, section 7.6.1), or for the asker alone. What is no field is left out, and so
// is what has no room in 8 KiB.
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

// Collects the header lines of one response; those of interim ones (1xx) and redirects before it are forgotten.
struct HttpHead {
  int status = 0;
  bool complete = false;  // the empty line has come
  std::optional<std::string> content_length;
  std::optional<std::string> content_range;
  std::optional<std::string> etag;
  std::optional<std::string> location;
  std::string content_encoding;  // empty: none, or identity
  std::string content_type;
  std::string accept_ranges;  // in lower case
  CachingFields caching;
  EndToEndFields others;  // and all else
  std::string retry_after;
  std::string transfer_coding;  // in lower case; when there is one, Content-Length means nothing (RFC 9112, 6.3)
  bool contradictory = false;   // two different values for what may be said once
  bool folded = false;          // a field goes on in the next line: who reads it otherwise knows half of it

  void add_line(std::string_view line);
  // Of the body, when it is announced; corrupt when what is said is no length, or two.
  [[nodiscard]] Result<std::optional<std::uint64_t>> body_length() const;

 private:
  void add_field(std::string_view spelled, std::string value);
  [[nodiscard]] bool add_caching_field(std::string_view name, std::string_view value);
};

// Invariant: first <= last, and last < total where there is one.
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::optional<std::uint64_t> total;
};

// "bytes 0-99/1000" or "bytes 0-99/*", with nothing before, between or behind (RFC 9110, 14.4).
[[nodiscard]] std::optional<ContentRange> parse_content_range(std::string_view text);
// The length in "bytes */1000", which comes with a 416.
[[nodiscard]] std::optional<std::uint64_t> parse_unsatisfied_range(std::string_view text);

}  // namespace strandline::origin::http
