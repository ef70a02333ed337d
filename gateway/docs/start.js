// A file of its own, because the content security policy of this page allows no inline scripts.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  // The default sends the description to a validator on the internet.
  validatorUrl: null,
});
