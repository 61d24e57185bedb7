// blocking::read and others: an Origin's calls, for a thread that waits for the answer.
// Threads: any, but none of the origin's: in a callback they could wait for themselves. Blocks: until the origin has
// answered, or was stopped. Errors: the origin's Failure; no_memory. Cost: one lock and wake-up beside the call's.
// Lifetime: the origin stays until the call returns.
#pragma once

#include <strandline/origin/origin.h>

#include <cstddef>
#include <stop_token>
#include <string>
#include <vector>

namespace strandline::origin::blocking {

[[nodiscard]] Outcome<ObjectInfo> stat(Origin& origin, std::string key, std::stop_token stop = {}) noexcept;
[[nodiscard]] Outcome<bool> exists(Origin& origin, std::string key, std::stop_token stop = {}) noexcept;
[[nodiscard]] Outcome<std::uint64_t> size(Origin& origin, std::string key, std::stop_token stop = {}) noexcept;
// The bytes of the range, to the object's end at most, and what the object was. too_large: there are more than `most`
// of them, which may be told before any has come. `if_match` holds for weak validators too.
struct Content {
  std::vector<std::byte> bytes;
  ObjectInfo object;
};
[[nodiscard]] Outcome<Content> read(Origin& origin, ReadRequest request, std::size_t most,
                                    std::stop_token stop = {}) noexcept;
[[nodiscard]] Outcome<ObjectInfo> write(Origin& origin, WriteRequest request, std::stop_token stop = {}) noexcept;
[[nodiscard]] Outcome<void> remove(Origin& origin, std::string key, std::stop_token stop = {}) noexcept;
// Of all pages.
[[nodiscard]] Outcome<std::vector<ListPage::Item>> list(Origin& origin, std::string prefix,
                                                        std::stop_token stop = {}) noexcept;

}  // namespace strandline::origin::blocking
