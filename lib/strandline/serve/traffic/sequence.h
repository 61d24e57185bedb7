// Sequence: notices that a connection's requests, each for a little, go on where the one before ended; then as much as
// they have asked for is fetched behind them. So an origin is never asked for more than twice what a client asks for.
// Threads: the session's. Blocks: never. Errors: without memory nothing is fetched ahead. Cost: a few words, and a wait
// while there is a sequence. Lifetime: the session's.
#pragma once

#include <strandline/fill/want.h>
#include <strandline/serve/objects/objects.h>

#include <optional>

namespace strandline::serve {

class Sequence {
 public:
  // `range` of it is about to be sent.
  void read(const Object& object, ByteRange range);

 private:
  static constexpr unsigned kRequests = 3;  // one after the other are a sequence

  const void* entry_ = nullptr;  // which one was read last: the same version, though the origin has been asked since
  std::uint64_t end_ = 0;
  std::uint64_t bytes_ = 0;
  unsigned requests_ = 0;
  std::optional<fill::Want> ahead_;
};

}  // namespace strandline::serve
