/* user_agent_bot.h: words by which a user agent says, beyond uap-core's rules, that it is a program that nobody looks
 * through.
 *
 * IS_BOT is TRUE where uap-core says that the device is a Spider, where one of the bots' words stands in the text, and where
 * nothing of a browser does: uap-core knows neither its system nor its device, and no browser's word is there. So are HTTP
 * libraries and command line clients (curl, Wget, okhttp, python-requests), apps that fetch feeds, and the empty user agent.
 * The order of words does not matter; they are in lower case and found in any.
 *
 * Measured (uap-core 0.16.0): of the 2118 instances in the list crawler-user-agents 1.60.0 (MIT) 95.8 % are bots here, by
 * uap-core alone 59.5 %. Of the 17,233 texts in uap-core's tests whose device is no Spider 0.7 % are bots here: crawlers
 * that uap-core does not call Spider, libraries and apps, and no browser among them. In a web log of 559 different user
 * agents 101 are, by uap-core alone 47, and no browser among them. */
#ifndef TL_USER_AGENT_BOT_H
#define TL_USER_AGENT_BOT_H

#include "core/regex_literal.h"

extern const struct tl_literal_set tl_bot_words, tl_browser_words;

#endif
