/* Serves a test picture and says who watches.
 *
 *     cc -o serve serve.c $(pkg-config --cflags --libs gstreamer-1.0) && ./serve [PORT]
 */
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>

/* Called on a thread of the sink. */
static void
on_added (GstElement * server, guint64 id, const gchar * address, gpointer data)
{
  g_print ("viewer %" G_GUINT64_FORMAT " from %s\n", id, address);
}

static void
on_removed (GstElement * server, guint64 id, const gchar * address, const gchar * reason, gpointer data)
{
  g_print ("viewer %" G_GUINT64_FORMAT " left: %s\n", id, reason);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  GstElement *pipeline, *server;
  GstBus *bus;
  GstMessage *message;
  gint port;

  gst_init (&argc, &argv);
  setvbuf (stdout, NULL, _IOLBF, 0);
  pipeline = gst_parse_launch ("videotestsrc is-live=true pattern=ball ! video/x-raw,framerate=15/1 ! jpegenc "
      "! mjpegserversink name=server", &error);
  if (error != NULL) {
    g_printerr ("%s\n", error->message);
    return 1;
  }
  server = gst_bin_get_by_name (GST_BIN (pipeline), "server");
  g_object_set (server, "port", argc > 1 ? atoi (argv[1]) : 8080, NULL);
  g_signal_connect (server, "client-added", G_CALLBACK (on_added), NULL);
  g_signal_connect (server, "client-removed", G_CALLBACK (on_removed), NULL);

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_object_get (server, "current-port", &port, NULL);
  g_print ("http://127.0.0.1:%d/\n", port);

  bus = gst_element_get_bus (pipeline);
  message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, NULL);
    g_printerr ("%s\n", error->message);
  }
  gst_message_unref (message);
  gst_object_unref (bus);
  gst_object_unref (server);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  return error != NULL;
}
