"use strict";
// Beside the page and not in it, so that the page's Content-Security-Policy allows no inline script.

// An operation has some twelve problems. They wait behind one button, so that what succeeds is seen first.
const CollapsedProblems = (system) => ({
  wrapComponents: {
    responses: (Responses) => (props) => {
      const [open, setOpen] = system.React.useState(false);
      const problems = props.responses.filter((_, status) => Number(status) >= 400);
      const kept = open ? props.responses : props.responses.filterNot((_, status) => problems.has(status));
      const label = `${open ? "Hide" : "Show"} ${problems.size} answers with a problem`;
      return system.React.createElement(
        "div",
        null,
        system.React.createElement(Responses, { ...props, responses: kept }),
        problems.size > 0 && system.React.createElement(
          "button",
          { type: "button", className: "btn problems", "aria-expanded": open, onClick: () => setOpen(!open) },
          label,
        ),
      );
    },
  },
});

window.ui = SwaggerUIBundle({
  url: "/schema/openapi.json",
  dom_id: "#swagger-container",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: true,
  showExtensions: true,
  showCommonExtensions: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
  plugins: [CollapsedProblems],
});
