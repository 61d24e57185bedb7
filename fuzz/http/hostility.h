// Hostility: one answer of a server that does as the fuzzer's bytes say. Zeros are the right answer; each byte that is
// none changes one thing.
// Threads: one makes it, one sends it. Blocks: send(), as the connection does. Errors: none. Cost: the answer's bytes.
// Lifetime: a value.
#pragma once

#include <strandline/driver/validator.h>

#include <tests/support/http/served_object.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace strandline::fuzz {

inline constexpr std::uint64_t kVersions = 3;

void require(bool holds, const char* what);

// Of one to three, in what the server says of the version: its only such digit, or its first. 0: it says nothing.
[[nodiscard]] std::uint64_t version_of(const Validator& validator);

class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  // Zeros, once it is used up.
  std::uint8_t next();
  // Below `count`; half of all bytes are 0.
  std::size_t choice(std::size_t count);
  std::uint64_t number();  // of 16 bits
  // Without line ends: a header line stays one.
  std::string text(std::size_t size);

 private:
  std::span<const std::uint8_t> bytes_;
};

class Hostility {
 public:
  Hostility(Input& input, const testing::HttpRequest& request);
  void send(testing::HttpExchange& exchange) const;

  bool silent = false;  // at the end; else it goes on, or closes

 private:
  enum class Ending : std::uint8_t { keep, close, reset };

  void choose_status(Input& input);
  void add_identity(Input& input);
  void add_range(Input& input);
  void add_length(Input& input, std::uint64_t body);
  void add_oddity(Input& input);
  void add_body(Input& input, std::uint64_t body);
  // By the book this would be the range of the body that follows; nothing: by the book there is none.
  void claim(std::string line, std::optional<ByteRange> range);

  const testing::HttpRequest& request_;
  std::uint64_t version_ = 1;
  int status_ = 200;
  std::optional<ByteRange> asked_;
  ByteRange part_;  // of this version, what was asked for
  std::vector<std::string> lines_;
  std::optional<ByteRange> claimed_;
  bool junk_ = false;  // to be refused: so no byte of the object follows
  bool chunked_ = false;
  bool framed_ = false;  // the connection may go on
  Ending ending_ = Ending::keep;
  std::string message_;
  std::size_t piece_ = 0;
  bool slow_ = false;
};

}  // namespace strandline::fuzz
