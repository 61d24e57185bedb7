#include "text.h"

#include <strandline/store/key.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <limits>

#include "../progress.h"

namespace strandline::tool {
namespace {

unsigned byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

// The bytes of the character that `text` begins with, by the table of RFC 3629; 0 when it is none. No overlong forms,
// no surrogates.
std::size_t utf8_size(std::string_view text) {
  const unsigned first = byte_at(text, 0);
  if (first < 0x80) {
    return 1;
  }
  const std::size_t size = first >= 0xc2 && first <= 0xdf   ? 2
                           : first >= 0xe0 && first <= 0xef ? 3
                           : first >= 0xf0 && first <= 0xf4 ? 4
                                                            : 0;
  if (size == 0 || text.size() < size) {
    return 0;
  }
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte_at(text, i) & 0xc0U) != 0x80) {
      return 0;
    }
  }
  const unsigned second = byte_at(text, 1);
  const bool narrow = (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
                      (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
  return narrow ? 0 : size;
}

// U+0000 to U+001F, U+007F to U+009F; and U+2028 and U+2029, at which some break a line.
bool is_control(std::string_view character) {
  const unsigned first = byte_at(character, 0);
  return first < 0x20 || first == 0x7f || (first == 0xc2 && byte_at(character, 1) < 0xa0) ||
         character == "\xe2\x80\xa8" || character == "\xe2\x80\xa9";
}

std::string hex_of(std::string_view bytes, std::string_view before) {
  std::string text;
  for (const char letter : bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto value = static_cast<unsigned char>(letter);
    text += before;
    text += kDigits[value >> 4U];
    text += kDigits[value & 15U];
  }
  return text;
}

Error wrong(std::string_view what, const std::string& typed) {
  return Error::make(Errc::invalid_argument, std::string(what) + ": \"" + typed + "\"");
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t size = utf8_size(text);
    if (size == 0) {
      return false;
    }
    text.remove_prefix(size);
  }
  return true;
}

std::string key_text(std::string_view key) {
  std::string text;
  while (!key.empty()) {
    const std::size_t size = utf8_size(key);
    const std::string_view character = key.substr(0, size == 0 ? 1 : size);
    if (size == 0 || is_control(character)) {
      text += hex_of(character, "\\x");
    } else {
      text += character == "\\" ? "\\\\" : character;
    }
    key.remove_prefix(character.size());
  }
  return text;
}

void put_text(Json& object, const std::string& name, std::string_view bytes) {
  if (is_utf8(bytes)) {
    object[name] = bytes;
  } else {
    object[name + "_hex"] = hex_of(bytes, "");
  }
}

Result<std::string> parse_prefix(const std::string& typed, bool hex) {
  if (!hex) {
    return typed;
  }
  std::string bytes;
  for (std::size_t at = 0; at < typed.size(); at += 2) {
    unsigned value = 0;
    const char* const digits = typed.data() + at;
    if (at + 2 > typed.size() || std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) {
      return fail(wrong("not pairs of hexadecimal digits", typed));
    }
    bytes += static_cast<char>(value);
  }
  return bytes;
}

Result<std::string> parse_key(const std::string& typed, bool hex) {
  auto key = parse_prefix(typed, hex);
  if (key && !store::check_key(*key)) {
    return fail(Errc::invalid_argument, "a key has 1 to 65536 bytes, not " + std::to_string(key->size()));
  }
  return key;
}

Result<std::uint64_t> parse_size(const std::string& typed) {
  std::uint64_t value = 0;
  const char* const end = typed.data() + typed.size();
  const auto [rest, error] = std::from_chars(typed.data(), end, value);
  std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  if (error != std::errc()) {
    return fail(wrong("not a number of bytes", typed));
  }
  if (unit.ends_with("iB")) {
    unit.remove_suffix(2);
  }
  constexpr std::string_view kUnits = "KMGT";
  const std::size_t power = unit.size() == 1 ? kUnits.find(unit[0]) : std::string_view::npos;
  if (rest != end && power == std::string_view::npos) {
    return fail(wrong("not a number of bytes, with K, M, G or T behind it or nothing", typed));
  }
  const std::size_t shift = rest == end ? 0 : 10 * (power + 1);
  if (value > std::numeric_limits<std::uint64_t>::max() >> shift) {
    return fail(wrong("too large", typed));
  }
  return value << shift;
}

std::string range_text(ByteRange range) {
  return std::to_string(range.begin) + "-" + std::to_string(range.end - (range.empty() ? 0 : 1));
}

std::string share_text(std::uint64_t there, std::optional<std::uint64_t> length, bool complete) {
  if (complete) {
    return "complete";
  }
  if (there == 0) {
    return "nothing";
  }
  if (!length || *length == 0) {
    return size_text(there);
  }
  // By halves of 128 bits there is no need to care: a double has 53, and all of it is never called 100%.
  const auto percent = static_cast<unsigned>(100.0 * static_cast<double>(there) / static_cast<double>(*length));
  return percent == 0 ? "<1%" : std::to_string(percent < 100 ? percent : 99) + "%";
}

}  // namespace strandline::tool
