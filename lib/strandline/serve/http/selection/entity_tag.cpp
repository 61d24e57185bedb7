#include "entity_tag.h"

#include <strandline/origin/http/protocol/syntax.h>

#include <algorithm>

namespace strandline::serve::http {
namespace {

using origin::http::take;

// Of a tag, between its quotes.
bool is_tag_character(char c) {
  return c != ' ' && c != '"' && !origin::http::is_control(c);
}

// Takes a tag off the front.
std::optional<EntityTag> take_tag(std::string_view& text) {
  const bool weak = take(text, "W/");  // case counts
  const std::size_t end = text.find('"', 1);
  if (!text.starts_with('"') || end == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view opaque = text.substr(0, end + 1);
  if (!std::all_of(opaque.begin() + 1, opaque.end() - 1, is_tag_character)) {
    return std::nullopt;
  }
  text.remove_prefix(opaque.size());
  return EntityTag{std::string(opaque), weak};
}

}  // namespace

std::optional<EntityTag> parse_entity_tag(std::string_view text) {
  auto tag = take_tag(text);
  return text.empty() ? tag : std::nullopt;
}

bool lists_tag(std::string_view list, const EntityTag& tag,
               bool (*equal)(const EntityTag&, const EntityTag&) noexcept) {
  bool found = false;
  for (list = origin::http::trimmed(list); !list.empty(); list = origin::http::trimmed(list)) {
    if (take(list, ",")) {
      continue;  // an empty element, or the end of one
    }
    const auto one = take_tag(list);
    list = origin::http::trimmed(list);
    if (!one || !(list.empty() || list.starts_with(','))) {
      return false;
    }
    found = found || equal(*one, tag);
  }
  return found;
}

std::optional<EntityTag> entity_tag_of(const Validator& validator) {
  if (validator.kind == Validator::Kind::none || validator.value.empty()) {
    return std::nullopt;
  }
  const bool weak = validator.kind == Validator::Kind::weak;
  // An HttpOrigin's: the tag itself, or, weak, the tag with date and size behind it.
  std::string_view text = validator.value;
  if (auto tag = take_tag(text); tag && (weak ? tag->weak && text.starts_with(';') : !tag->weak && text.empty())) {
    return tag;
  }
  if (!std::all_of(validator.value.begin(), validator.value.end(), is_tag_character)) {
    return std::nullopt;
  }
  return EntityTag{'"' + validator.value + '"', weak};
}

}  // namespace strandline::serve::http
