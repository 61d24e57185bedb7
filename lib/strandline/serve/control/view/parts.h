// What control looks at, and lets be changed: the parts of a server.
// Threads, Blocks, Errors: as each part says. Cost: reference counts. Lifetime: keeps them.
#pragma once

#include <strandline/serve/objects/objects.h>
#include <strandline/serve/traffic/traffic.h>

#include <memory>

namespace strandline::serve {

struct ServerParts {
  store::Store store;
  std::shared_ptr<fill::Filler> filler;
  std::shared_ptr<Objects> objects;
  std::shared_ptr<Traffic> traffic;
};

}  // namespace strandline::serve
