// In place of the others where there is no SQLite.
#include <strandline/store/index/index.h>

namespace strandline::store {

Result<std::unique_ptr<Index>> Index::open(Options /*options*/) noexcept {
  return fail(Errc::unsupported, "built without SQLite, so without an index");
}

}  // namespace strandline::store
