// Owners of libcurl's handles.
// Threads: as libcurl's: one at a time. Blocks: never. Errors: a null pointer, when there is no memory. Cost: a
// pointer. Lifetime: an easy handle leaves its multi handle before either is freed.
#pragma once

#include <curl/curl.h>

#include <memory>

namespace strandline::origin::http {

// CURL and CURLM are both void, so each needs a deleter type of its own.
struct MultiFree {
  void operator()(CURLM* multi) const noexcept { curl_multi_cleanup(multi); }
};
struct EasyFree {
  void operator()(CURL* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct ListFree {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
using Multi = std::unique_ptr<CURLM, MultiFree>;
using Easy = std::unique_ptr<CURL, EasyFree>;
using List = std::unique_ptr<curl_slist, ListFree>;

}  // namespace strandline::origin::http
