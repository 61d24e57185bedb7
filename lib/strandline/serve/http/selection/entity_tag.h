// EntityTag: a version's name (RFC 9110, section 8.8.3), how two compare, and lists of them.
// Threads: values and pure functions. Blocks: never. Errors: what is no tag is none. Throws bad_alloc. Cost: linear.
// Lifetime: owns its text.
#pragma once

#include <strandline/driver/validator.h>

#include <optional>
#include <string>
#include <string_view>

namespace strandline::serve::http {

struct EntityTag {
  std::string opaque;  // with its quotes
  bool weak = false;

  [[nodiscard]] std::string text() const { return (weak ? "W/" : "") + opaque; }
};

// Section 8.8.3.2.
[[nodiscard]] inline bool strongly_equal(const EntityTag& a, const EntityTag& b) noexcept {
  return !a.weak && !b.weak && a.opaque == b.opaque;
}
[[nodiscard]] inline bool weakly_equal(const EntityTag& a, const EntityTag& b) noexcept {
  return a.opaque == b.opaque;
}

// The whole text is one tag.
[[nodiscard]] std::optional<EntityTag> parse_entity_tag(std::string_view text);
// Is one of a list's tags equal, by `equal`, to this one? A list that is malformed anywhere has none.
[[nodiscard]] bool lists_tag(std::string_view list, const EntityTag& tag,
                             bool (*equal)(const EntityTag&, const EntityTag&) noexcept);

// What clients are told of a validator: an origin's own ETag as it was; of a validator that is no tag, one made of it,
// where its characters allow. None: nothing tells versions apart, or only Last-Modified does.
[[nodiscard]] std::optional<EntityTag> entity_tag_of(const Validator& validator);

}  // namespace strandline::serve::http
