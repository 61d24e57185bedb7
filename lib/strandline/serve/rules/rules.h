// Rule: what whoever runs the server says of the objects below a path, where HTTP lets caches be told; PathPattern:
// of which.
// Threads: values, read by all. Blocks: never. Errors: a pattern that is none. Throws bad_alloc. Cost: the path's
// length times the pattern's. Lifetime: values.
#pragma once

#include <strandline/base/error.h>
#include <strandline/serve/http/caching/freshness.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace strandline::serve {

// "/videos/": what lies at or below it. With '*' (any letters but '/'), '**' (any at all) or '?' (one but '/') in it:
// all of the path. Letters stand for themselves, in a path whose encoding is undone.
class PathPattern {
 public:
  static constexpr std::size_t kLongest = 256;  // characters

  [[nodiscard]] static Result<PathPattern> parse(std::string_view text);
  [[nodiscard]] bool matches(std::string_view path) const;
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  enum class Kind : std::uint8_t { letter, one, some, any };
  struct Step {
    Kind kind;
    char letter;
  };
  std::string text_;
  std::vector<Step> steps_;  // none: everything at or below the text
};

// "/a" has "/a" and "/a/b" below it, and not "/ab"; so has "/a/", but for "/a".
[[nodiscard]] bool is_at_or_below(std::string_view path, std::string_view prefix) noexcept;

struct Rule {
  PathPattern path;
  http::FreshnessRule freshness{};
  // A client's Cache-Control asks the origin for nothing: reloads do not get through.
  bool ignore_client_cache_control = false;
  // Bytes that are fetched ahead of who reads on.
  std::optional<std::uint64_t> read_ahead{};
};
// The first whose path fits is the one.
using Rules = std::vector<std::shared_ptr<const Rule>>;
[[nodiscard]] std::shared_ptr<const Rule> rule_for(const Rules& rules, std::string_view path);

}  // namespace strandline::serve
