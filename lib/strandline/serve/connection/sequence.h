// Sequence: notices that a connection's requests, each for a little, go on where the one before ended; then what comes
// behind them is fetched ahead. So no more is asked of an origin for a client that jumps about than what it asks for.
// Threads: the session's. Blocks: never. Errors: without memory nothing is fetched ahead. Cost: a few words, and a
// cursor while there is a sequence. Lifetime: the session's.
#pragma once

#include <strandline/serve/objects/objects.h>

#include <optional>

namespace strandline::serve {

class Sequence {
 public:
  // `range` of it is about to be sent.
  void read(const Object& object, ByteRange range);

 private:
  static constexpr unsigned kRequests = 3;            // one after the other are a sequence
  static constexpr std::uint64_t kBytes = 128 << 10;  // if that much has been asked for

  const void* entry_ = nullptr;  // which one was read last: the same version, though the origin has been asked since
  std::uint64_t end_ = 0;
  std::uint64_t bytes_ = 0;
  unsigned requests_ = 0;
  std::optional<Cursor<store::EntryDriver>> cursor_;
};

}  // namespace strandline::serve
