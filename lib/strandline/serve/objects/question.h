// Question: what an object is, while the store and its origin are asked, for all who wait for that.
// Threads: what is not const is guarded as it says. Blocks: never. Errors: none. Cost: a value. Lifetime: shared by
// the slot, the opening and the origin's reply.
#pragma once

#include <strandline/fill/engine/workers.h>
#include <strandline/serve/objects/lines.h>
#include <strandline/serve/objects/object.h>

#include <memory>
#include <stop_token>
#include <string>
#include <utility>

namespace strandline::serve {

// It stands in two lines, one after the other: for the disk, which every one leaves soon, and for its origin, which may
// never answer. Only what is about to ask the origin stands in the second, and holds neither a thread nor a place at
// the disk meanwhile.
// When the last who waited has gone it is `left`, under the mutex; then it is stopped, and taken out of the line,
// outside it. Who comes after that, and before its end, waits on, and settle() asks anew: by then the old one has
// ended, and is nobody's writer any more. Left in the line it cannot be: opened() has it stand there first and then
// looks whether it was left, leave() does it the other way round, and of the two one takes it out. Whose turn comes all
// the same finds that it is stopped.
struct Question {
  Question(Source of, ByteRange read, const std::stop_token& all_end)
      : source(std::move(of)),
        server(source.origin->server(source.key)),
        stop(all_end, unwanted.get_token()),
        first(read) {}

  const Source source;
  const std::string server;  // in whose line it stands
  std::stop_source unwanted;
  const fill::EitherStop stop;  // nobody waits any more, or all questions end

  // Of whoever goes on with it, one after the other.
  ByteRange first;                                     // what is read first; empty: nothing, or nobody knows
  std::shared_ptr<const Object> instead_of = nullptr;  // what is open is read anew, not asked about
  enum class Place : std::uint8_t { none, disk, origin } place = Place::none;

  // Guarded by the mutex of Objects.
  bool in_background = false;  // it goes on though nobody waits
  bool asks_origin = false;    // it is behind the store
  bool left = false;           // all have gone, or were sent away
};

}  // namespace strandline::serve
