#pragma once
// Which fields a mail reader may take for From, for author.cc only.
#include <string>
#include <vector>

#include "mail/message/message.h"
#include "road/finding/finding.h"

namespace sekisho::author {

struct FromFields {
  std::vector<const mail::HeaderField*> from;         // named From, any letter case, "From :" included
  bool spaced = false;                                // one of them is "From :"
  std::vector<const mail::HeaderField*> look_alikes;  // the first that are none, but that a reader may take for From
  bool odd_names_unread = false;                      // there are so many odd names that not all were looked at
};

FromFields find_from(const mail::Message& message);

// header_malformed, header_untidy, header_duplicate, from_in_fold
void check_header(const mail::Message& message, const FromFields& from, road::Findings& findings);

road::Finding finding(std::string_view code, std::string_view evidence);

}  // namespace sekisho::author
