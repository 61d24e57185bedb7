#include "cache_status.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace strandline::serve::http {
namespace {

// In the order of the enum.
constexpr std::array<std::string_view, 5> kForwards = {"bypass", "uri-miss", "request", "stale", "partial"};

// RFC 8941, section 3.3.1: fifteen digits.
std::string integer(std::int64_t number) {
  constexpr std::int64_t kMost = 999'999'999'999'999;
  return std::to_string(std::clamp(number, -kMost, kMost));
}

}  // namespace

std::string CacheStatus::text() const {
  std::string text = "strandline";
  if (forward) {
    text += "; fwd=";
    text += kForwards[static_cast<std::size_t>(*forward)];
  } else {
    text += "; hit";
  }
  text += forward && forward_status != 0 ? "; fwd-status=" + std::to_string(forward_status) : "";
  if (ttl) {
    text += "; ttl=" + integer(*ttl);
  }
  text += stored ? "; stored" : "";
  text += collapsed ? "; collapsed" : "";
  if (!detail.empty()) {
    text.append("; detail=").append(detail);
  }
  return text;
}

}  // namespace strandline::serve::http
