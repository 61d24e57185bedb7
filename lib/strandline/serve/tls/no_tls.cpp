#include <strandline/serve/tls/tls.h>

namespace strandline::serve {

Result<std::shared_ptr<const TlsContext>> TlsContext::open(const TlsFiles&) {
  return fail(Errc::unsupported, "this build has no TLS (meson option tls)");
}

}  // namespace strandline::serve
