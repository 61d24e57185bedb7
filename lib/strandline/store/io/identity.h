// BootId and DataIdentity: what tells whether a file, and the page cache, are still those that a journal speaks of.
// Threads: values. Blocks: never. Errors: none. Cost: none. Lifetime: none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace strandline::store {

// Another after every start of the system.
using BootId = std::array<std::byte, 16>;

// Tells a data file from any other that may come to stand under its name.
struct DataIdentity {
  std::uint64_t inode = 0;
  std::uint64_t born = 0;  // nanoseconds since 1970; 0: unknown
  friend bool operator==(const DataIdentity&, const DataIdentity&) = default;
};

}  // namespace strandline::store
