/* Takes JPEG pictures out of a stream as they came, without decoding them, and says how long each one is.
 *
 *     cc -o receive receive.c $(pkg-config --cflags --libs gstreamer-app-1.0) && ./receive URL [COUNT]
 */
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <stdlib.h>

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  GstElement *pipeline, *camera, *pictures;
  GstMessage *message;
  GstSample *sample;
  gint left;

  gst_init (&argc, &argv);
  if (argc < 2) {
    g_printerr ("usage: receive URL [COUNT]\n");
    return 2;
  }
  left = argc > 2 ? atoi (argv[2]) : G_MAXINT;
  pipeline = gst_parse_launch ("mjpegclientsrc name=camera "
      "! appsink name=pictures sync=false max-buffers=1 drop=true", &error);
  if (error != NULL) {
    g_printerr ("%s\n", error->message);
    return 1;
  }
  camera = gst_bin_get_by_name (GST_BIN (pipeline), "camera");
  pictures = gst_bin_get_by_name (GST_BIN (pipeline), "pictures");
  g_object_set (camera, "location", argv[1], NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);

  /* No sample: the stream ended, or an error is on the bus. */
  while (left-- > 0 && (sample = gst_app_sink_pull_sample (GST_APP_SINK (pictures))) != NULL) {
    GstStructure *layout = gst_caps_get_structure (gst_sample_get_caps (sample), 0);
    gint width = 0, height = 0;
    gst_structure_get (layout, "width", G_TYPE_INT, &width, "height", G_TYPE_INT, &height, NULL);
    g_print ("%dx%d, %" G_GSIZE_FORMAT " bytes\n", width, height, gst_buffer_get_size (gst_sample_get_buffer (sample)));
    gst_sample_unref (sample);
  }

  message = gst_bus_pop_filtered (GST_ELEMENT_BUS (pipeline), GST_MESSAGE_ERROR);
  if (message != NULL) {
    gst_message_parse_error (message, &error, NULL);
    g_printerr ("%s\n", error->message);
    gst_message_unref (message);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (camera);
  gst_object_unref (pictures);
  gst_object_unref (pipeline);
  return error != NULL;
}
