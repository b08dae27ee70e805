/* user_agent_bot.c: the words of bots and of browsers. See user_agent_bot.h. */
#include "core/user_agent_bot.h"

#define W(text)                                                                                                                  \
    {                                                                                                                            \
        text, sizeof(text) - 1                                                                                                   \
    }

static const struct tl_sv bot_words[] = {
    /* Not "bot" alone: Cubot makes telephones, "CUBOT C10+ Build/JDQ39". */
    W("bot/"), W("bot;"), W("bot)"), W("bot-"), W("bot."), W("bot:"), W("bot,"), W("bot@"), W("robot"),
    /* what they do, and where to read about it */
    W("crawl"), W("spider"), W("slurp"), W("scrap"), W("fetch"), W("scan"), W("check"), W("validat"), W("monitor"), W("archiv"),
    W("uptime"), W("synthetic"), W("webhook"), W("+http"), W("https://"),
    /* browsers that a program drives */
    W("headless"), W("phantomjs"), W("lighthouse"), W("selenium"), W("playwright"),
    /* libraries and command line clients */
    W("curl/"), W("wget"), W("httpie"), W("httrack"), W("libwww-perl"), W("python"), W("httpclient"), W("go-http"), W("okhttp"),
    W("axios"), W("nutch"),
    /* by name */
    W("mediapartners"), W("pingdom")};

static const struct tl_sv browser_words[] = {
    /* engines */
    W("applewebkit"), W("gecko/"), W("khtml"), W("trident/"), W("msie"), W("presto"),
    /* browsers without one of these */
    W("browser"), W("opera"), W("netscape"), W("konqueror"), W("lynx"), W("links"), W("w3m"), W("netfront"), W("obigo"),
    /* telephones of before, and apps of today */
    W("midp"), W("cldc"), W("j2me"), W("dalvik"), W("cfnetwork"), W("fban/")};

const struct tl_literal_set tl_bot_words = {bot_words, TL_COUNT(bot_words)},
                            tl_browser_words = {browser_words, TL_COUNT(browser_words)};
