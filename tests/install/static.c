/* A program with the plugin linked into it: both elements are there without any plugin folder. */
#include <gst/gst.h>

GST_PLUGIN_STATIC_DECLARE (mjpeghttp);

int
main (int argc, char **argv)
{
  const char *names[] = { "mjpegserversink", "mjpegclientsrc" };

  gst_init (&argc, &argv);
  GST_PLUGIN_STATIC_REGISTER (mjpeghttp);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    GstElement *element = gst_element_factory_make (names[i], NULL);
    if (element == NULL || gst_element_set_state (element, GST_STATE_READY) == GST_STATE_CHANGE_FAILURE) {
      g_printerr ("%s does not work\n", names[i]);
      return 1;
    }
    g_print ("%s\n", names[i]);
    gst_element_set_state (element, GST_STATE_NULL);
    gst_object_unref (element);
  }
  return 0;
}
