/* notify.h: tells whoever supervises this process how it is: systemd, for a unit of Type=notify, or whoever else sets NOTIFY_SOCKET.
 *
 *   READY=1      the command does what it is there for, or stands by to do it
 *   WATCHDOG=1   where WATCHDOG_USEC asks for it: the main thread has looked at tl_stop_requested within the last quarter of that time
 *   STOPPING=1   it was told to end, and drains
 *
 * Is not: a word about what it depends on. A log or a store that is away is not mended by a restart of this process: /readyz says that.
 * Without NOTIFY_SOCKET all calls do nothing. A message that cannot be sent is lost.
 * Source: sd_notify(3), sd_watchdog_enabled(3). */
#ifndef TL_NOTIFY_H
#define TL_NOTIFY_H

/* tl_stop_install calls it, on the main thread. Takes the variables out of the environment: a child is not what is supervised. */
void tl_notify_open(void);
void tl_notify_ready(void);    /* only the first call says it */
void tl_notify_alive(void);    /* tl_stop_requested calls it; on another thread than the one that opened it does nothing */
void tl_notify_stopping(void); /* async-signal-safe */

#endif
